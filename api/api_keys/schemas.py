"""Shapes of API keys on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from api.shapes import In, Text
from domain.callers import Scope
from domain.times import Moment


def _each_once(value: list[Scope]) -> list[Scope]:
    if len(set(value)) < len(value):
        raise ValueError("each scope may be there once")
    return value


class ApiKeyIn(In):
    name: Annotated[Text, Field(min_length=1, max_length=100, examples=["Widget on our web site"])]
    scopes: Annotated[
        list[Scope],
        Field(min_length=1, max_length=len(Scope), json_schema_extra={"uniqueItems": True}, examples=[["book"]]),
        AfterValidator(_each_once),
    ]
    expires_at: Annotated[
        Moment | None, Field(description="In the future; none: it opens until it is revoked.")
    ] = None


class ApiKeyOut(BaseModel):
    id: UUID
    name: str
    prefix: str
    """The first twelve characters of the key, by which people tell keys apart."""
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""
    revoked_at: datetime | None


class ApiKeyMade(ApiKeyOut):
    """The one answer in which the key itself is."""

    key: str


class ApiKeys(BaseModel):
    items: list[ApiKeyOut]
