"""Shapes of providers on the wire: what anybody may read, and with their contact data."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from api.businesses.keys import OwnCode
from api.businesses.schemas import ABSENT
from api.shapes import Email, Flag, In, Line, Phone, Skills, Zone
from db.repositories.rows import Row

_SPELLED = r"^([0-4](\.[0-9]{1,2})?|5(\.0{1,2})?)$"
_RATING = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 5, "multipleOf": 0.01},
        {"type": "string", "pattern": _SPELLED},
    ]
}


def _number(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and not re.fullmatch(_SPELLED, value)):
        raise ValueError("must be a number from 0 to 5 with two decimal places at most")
    return value


Rating = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=5, decimal_places=2), WithJsonSchema(_RATING)]


class ProviderIn(In):
    code: OwnCode | None = None
    """None: made from the name."""
    name: Line
    email: Email | None = None
    phone: Phone | None = None
    timezone: Zone | None = None
    """Of their own hours; none: the business's."""
    skills: Skills = Field(default_factory=list)
    rating: Rating = Decimal(0)
    available: Flag = True
    auto_accept: Flag | None = None
    """None: as the business's policy says."""
    user_id: UUID | None = None
    """Who acts as this provider."""


class ProviderChange(In):
    code: OwnCode = ABSENT
    name: Line = ABSENT
    email: Email | None = ABSENT
    phone: Phone | None = ABSENT
    timezone: Zone | None = ABSENT
    skills: Skills = ABSENT
    rating: Rating = ABSENT
    available: Flag = ABSENT
    auto_accept: Flag | None = ABSENT
    user_id: UUID | None = ABSENT


class ProviderOut(BaseModel):
    id: UUID
    code: str
    name: str
    skills: list[str]
    rating: float
    available: bool
    timezone: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row with at least these columns."""
        return cls(**{name: row[name] for name in cls.model_fields})


class ProviderDetails(ProviderOut):
    email: str | None
    phone: str | None
    auto_accept: bool | None
    user_id: UUID | None
    last_assigned_at: datetime | None
    """Their last turn, where the policy is `round_robin`."""


class Providers(BaseModel):
    items: list[ProviderOut]
