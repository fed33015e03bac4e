"""`/v1/businesses/{business}/api-keys`: keys by which programs act for a business."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import BusinessDep, UserDep, needs
from api.answers import invalid
from api.deps import AppStateDep
from api.identity.api_keys import NewKey, make_key
from api.shapes import In, Text
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import api_keys
from db.repositories.rows import Row
from domain.access import Permission
from domain.callers import Scope
from domain.errors import AlreadyExistsError, NotFoundError, TooManyApiKeysError
from domain.times import Moment
from runtime.ids import new_id
from runtime.json import to_json


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


router = APIRouter(prefix="/v1/businesses/{business}/api-keys", tags=["api keys"])

MOST: Final = 100
"""Keys that a business may have unrevoked."""


@router.post(
    "",
    operation_id="createApiKey",
    dependencies=[needs(Permission.MANAGE_API_KEYS)],
    status_code=201,
    response_model=ApiKeyMade,
)
async def create(
    business: BusinessDep, body: ApiKeyIn, user: UserDep, app: AppStateDep, write: WriterDep
) -> Response:
    """Make a key. Its text, `key`, is in this answer and nowhere else: only a hash of it is stored.

    That is why no Idempotency-Key is taken here: the first answer could not be given again. The name does what
    one would do: a request that is repeated makes no second key, but is answered with 409 `already_exists` and
    the `id` of the key that is there. Revoke that one, and make another. A key that has expired keeps its name,
    and its place among the hundred that a business may have, until it is revoked.
    """
    if body.expires_at is not None and body.expires_at <= app.now():
        raise invalid("expires_at", "must lie in the future")
    new = make_key()
    async with write.begin() as conn:
        row = await _add(conn, business["id"], user.id, body, new)
        write.set_object_id(row["id"])
    made = ApiKeyMade(**row, key=new.text).model_dump(mode="json")
    return Response(to_json(made), 201, media_type="application/json")


async def _add(conn: AsyncConnection, business_id: UUID, user_id: UUID, body: ApiKeyIn, new: NewKey) -> Row:
    count = await api_keys.lock_and_count(conn, business_id)
    taken = await api_keys.find_named(conn, business_id, body.name)
    if taken is not None:
        raise AlreadyExistsError("There is a key of this name that is not revoked.", id=str(taken))
    if count >= MOST:
        raise TooManyApiKeysError
    values: dict[str, Any] = {
        "id": new_id(),
        "name": body.name,
        "prefix": new.prefix,
        "secret_hash": new.secret_hash,
        "scopes": [str(scope) for scope in body.scopes],
        "created_by": user_id,
        "expires_at": body.expires_at,
    }
    return await api_keys.add(conn, business_id, values)


@router.get(
    "", operation_id="listApiKeys", dependencies=[needs(Permission.MANAGE_API_KEYS)], response_model=ApiKeys
)
async def list_keys(business: BusinessDep, app: AppStateDep) -> ApiKeys:
    """Every key that is not revoked and the last hundred that are, newest first; nothing secret of them."""
    async with autocommit(app.engine) as conn:
        rows = await api_keys.list_all(conn, business["id"])
    return ApiKeys(items=[ApiKeyOut(**row) for row in rows])


@router.delete(
    "/{key_id}", operation_id="revokeApiKey", dependencies=[needs(Permission.MANAGE_API_KEYS)], status_code=204
)
async def revoke(business: BusinessDep, key_id: UUID, write: WriterDep) -> None:
    """Let a key open nothing any more, from the next request on. Doing so again changes nothing."""
    async with write.begin() as conn:
        if not await api_keys.revoke(conn, business["id"], key_id):
            raise NotFoundError("There is no such API key.")
