"""`/v1/businesses/{business}/providers`: who does the work."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import BusinessDep, CallerDep, MembershipDep, needs
from api.answers import changed, created, invalid
from api.caching import RequiredIfMatchDep
from api.deliverability import require_carried
from api.deps import AppStateDep
from api.paths import ProviderKey
from api.shapes import ABSENT, Email, Flag, In, Line, Phone, Skills, Zone
from api.slugs import OwnCode, key_for
from api.writes import OnceWriterDep, WriterDep
from db.engine import autocommit
from db.repositories import providers
from db.repositories.rows import Row
from domain.access import Permission, require_membership
from domain.errors import AlreadyExistsError, ForbiddenError, NotFoundError
from domain.lifecycle import Role
from runtime.ids import new_id

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


router = APIRouter(prefix="/v1/businesses/{business}/providers", tags=["providers"])

_HIDDEN: Final = {"email", "phone", "auto_accept", "user_id"}
"""Members that only the details show, and only their tag covers."""


@router.post(
    "",
    operation_id="createProvider",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=201,
    response_model=ProviderDetails,
)
async def create(
    business: BusinessDep, caller: CallerDep, body: ProviderIn, app: AppStateDep, write: OnceWriterDep
) -> Response:
    """Add a provider; with `user_id` that user acts as them, which is not for API keys to say.

    Their code is what tells providers apart, so the same request again adds no second one: under the same
    Idempotency-Key it is answered alike, else with 409 `already_exists` and the `id` of the one who is there.
    """
    if body.user_id is not None:
        require_membership(caller, Permission.MANAGE_MEMBERS, business["id"])

    async def make(conn: AsyncConnection) -> Response:
        await require_carried(conn, app.settings, business["id"], body.email)
        row = await _added(conn, business, body)
        write.set_object_id(row["id"])
        write.announce("business.provider.created", row["id"], providerId=row["id"])
        return created(_details(row), f"/v1/businesses/{business['id']}/providers/{row['id']}")

    return await write.once(body, make)


@router.get("", operation_id="listProviders", dependencies=[needs(Permission.BROWSE)], response_model=Providers)
async def list_providers(business: BusinessDep, request: Request, app: AppStateDep) -> Response:
    """Who does the work, the best rated first."""
    async with autocommit(app.engine) as conn:
        rows = await providers.list_all(conn, business["id"])
    return caching.cached(request, {"items": [_shown(row) for row in rows]}, caching.CATALOGUE)


@router.get(
    "/{provider}", operation_id="getProvider", dependencies=[needs(Permission.BROWSE)], response_model=ProviderOut
)
async def get(business: BusinessDep, provider: ProviderKey, request: Request, app: AppStateDep) -> Response:
    """One provider."""
    async with autocommit(app.engine) as conn:
        row = await _found(conn, business["id"], provider)
    return caching.cached(request, _shown(row), caching.CATALOGUE)


@router.get(
    "/{provider}/details",
    operation_id="getProviderDetails",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=ProviderDetails,
)
async def get_details(
    business: BusinessDep, provider: ProviderKey, request: Request, app: AppStateDep
) -> Response:
    """One provider with contact data: for owner and admin, and for that provider."""
    async with autocommit(app.engine) as conn:
        row = await _found(conn, business["id"], provider)
    return caching.cached(request, _details(row), caching.PRIVATE)


@router.patch(
    "/{provider}",
    operation_id="changeProvider",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=ProviderDetails,
)
async def change(
    business: BusinessDep,
    membership: MembershipDep,
    caller: CallerDep,
    provider: ProviderKey,
    body: ProviderChange,
    app: AppStateDep,
    expected: RequiredIfMatchDep,
    write: WriterDep,
) -> Response:
    """Change what is sent; providers themselves may change `available` alone.

    `If-Match` names the tag of the provider or of the details. With another `user_id` that user acts as the
    provider and whoever did so before no longer does; with null nobody does.
    """
    if membership.role is Role.PROVIDER and body.model_fields_set - {"available"}:
        raise ForbiddenError("Of yourself you may change `available` alone.")
    if "user_id" in body.model_fields_set:
        require_membership(caller, Permission.MANAGE_MEMBERS, business["id"])
    async with write.begin() as conn:
        stored = await providers.lock(conn, business["id"], provider)
        if stored is None:
            raise _missing(provider)
        write.set_object_id(stored["id"])
        seen = [_details(stored)] if body.model_fields_set & _HIDDEN else [_shown(stored), _details(stored)]
        expected.check(*seen)
        await require_carried(conn, app.settings, business["id"], body.email)
        row = await _update(conn, business["id"], stored, body)
        write.announce("business.provider.changed", row["id"], providerId=row["id"])
    return changed(_details(row))


async def _added(conn: AsyncConnection, business: Row, body: ProviderIn) -> Row:
    code, provider_id = key_for("code", body.code, body.name), new_id()
    if not await providers.create(conn, business["id"], provider_id, body.model_dump() | {"code": code}):
        raise await _code_taken(conn, business, code)
    if body.user_id is not None:
        await _link(conn, business["id"], provider_id, body.user_id)
    return await _found(conn, business["id"], str(provider_id))


async def _update(conn: AsyncConnection, business_id: UUID, stored: Row, body: ProviderChange) -> Row:
    await providers.update(conn, business_id, {**stored, **body.model_dump(exclude_unset=True)})
    if "user_id" in body.model_fields_set:
        await providers.unlink_users(conn, business_id, stored["id"], but=body.user_id)
        if body.user_id is not None:
            await _link(conn, business_id, stored["id"], body.user_id)
    return await _found(conn, business_id, str(stored["id"]))


async def _link(conn: AsyncConnection, business_id: UUID, provider_id: UUID, user_id: UUID) -> None:
    linked = await providers.link_user(conn, business_id, provider_id, user_id)
    if linked is None:
        raise invalid("user_id", "there is no such user")
    if linked != provider_id:
        raise AlreadyExistsError("This user is another provider of the business.", id=str(linked))


async def _found(conn: AsyncConnection, business_id: UUID, provider: str) -> Row:
    row = await providers.find(conn, business_id, provider)
    if row is None:
        raise _missing(provider)
    return row


def _missing(provider: str) -> NotFoundError:
    return NotFoundError(f"There is no provider '{provider}'.")


async def _code_taken(conn: AsyncConnection, business: Row, code: str) -> AlreadyExistsError:
    row = await providers.find(conn, business["id"], code)
    extra = {} if row is None else {"id": str(row["id"])}
    return AlreadyExistsError(f"There is a provider '{code}' already.", **extra)


def _shown(row: Row) -> dict[str, Any]:
    return ProviderOut.of(row).model_dump(mode="json")


def _details(row: Row) -> dict[str, Any]:
    return ProviderDetails.of(row).model_dump(mode="json")
