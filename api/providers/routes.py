"""`/v1/businesses/{business}/providers`: who does the work."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import needs
from api.businesses.answers import changed, created, invalid, require_any_match
from api.businesses.keys import key_for
from api.businesses.paths import IdOrSlug, ProviderKey, found_business
from api.deps import AppParts, AtDesk, Desk
from api.providers.schemas import ProviderChange, ProviderDetails, ProviderIn, ProviderOut, Providers
from db.engine import autocommit
from db.repositories import catalogue, providers
from db.repositories.rows import Row
from domain.access import Membership, Permission
from domain.errors import AlreadyExistsError, ForbiddenError, NotFoundError
from domain.lifecycle import Role
from runtime.ids import new_id

router = APIRouter(prefix="/v1/businesses/{business}/providers", tags=["providers"])

_HIDDEN: Final = {"email", "phone", "auto_accept", "user_id"}
"""What only the details show, and only their tag protects."""


@router.post(
    "",
    operation_id="createProvider",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=201,
    response_model=ProviderDetails,
)
async def create(business: IdOrSlug, body: ProviderIn, parts: AppParts, desk: AtDesk) -> Response:
    """Add a provider; with `user_id` that user acts as them.

    Their code is what tells providers apart, so the same request again adds no second one: it is answered with
    409 `already_exists` and the `id` of the one who is there. An Idempotency-Key is not needed, and not looked at.
    """
    async with parts.engine.begin() as conn:
        found = await found_business(conn, business)
        desk.require(Permission.MANAGE_BUSINESS, found["id"])
        code, provider_id = key_for("code", body.code, body.name), new_id()
        if not await providers.create(conn, found["id"], provider_id, body.model_dump() | {"code": code}):
            raise await _code_taken(conn, found, code)
        if body.user_id is not None:
            await _link(conn, found["id"], provider_id, body.user_id)
        row = await _found(conn, found["id"], str(provider_id))
    return created(_details(row), f"/v1/businesses/{found['id']}/providers/{provider_id}")


@router.get("", operation_id="listProviders", dependencies=[needs(Permission.BROWSE)], response_model=Providers)
async def list_providers(business: IdOrSlug, request: Request, parts: AppParts) -> Response:
    """Who does the work, the best rated first."""
    async with autocommit(parts.engine) as conn:
        found = await found_business(conn, business)
        rows = await catalogue.list_providers(conn, found["id"])
    return caching.cached(request, {"items": [_shown(row) for row in rows]}, caching.CATALOGUE)


@router.get(
    "/{provider}", operation_id="getProvider", dependencies=[needs(Permission.BROWSE)], response_model=ProviderOut
)
async def get(business: IdOrSlug, provider: ProviderKey, request: Request, parts: AppParts) -> Response:
    """One provider."""
    async with autocommit(parts.engine) as conn:
        found = await found_business(conn, business)
        row = await _found(conn, found["id"], provider)
    return caching.cached(request, _shown(row), caching.CATALOGUE)


@router.get(
    "/{provider}/details",
    operation_id="getProviderDetails",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=ProviderDetails,
)
async def get_details(
    business: IdOrSlug, provider: ProviderKey, request: Request, parts: AppParts, desk: AtDesk
) -> Response:
    """One provider with contact data: for owner and admin, and for that provider."""
    async with autocommit(parts.engine) as conn:
        found = await found_business(conn, business)
        row = await providers.find(conn, found["id"], provider)
    _require(desk, found, row)
    if row is None:
        raise _missing(provider)
    return caching.cached(request, _details(row), caching.PRIVATE)


@router.patch(
    "/{provider}",
    operation_id="changeProvider",
    dependencies=[needs(Permission.MANAGE_CALENDAR)],
    response_model=ProviderDetails,
)
async def change(
    business: IdOrSlug,
    provider: ProviderKey,
    body: ProviderChange,
    request: Request,
    parts: AppParts,
    desk: AtDesk,
) -> Response:
    """Change what is sent; providers themselves may change `available` alone.

    `If-Match` may name the tag of the provider or of the details. With another `user_id` that user acts as the
    provider and whoever did so before no longer does; with null nobody does.
    """
    async with parts.engine.begin() as conn:
        found = await found_business(conn, business)
        stored = await providers.lock(conn, found["id"], provider)
        membership = _require(desk, found, stored)
        if stored is None:
            raise _missing(provider)
        if membership.role is Role.PROVIDER and body.model_fields_set - {"available"}:
            raise ForbiddenError("Of yourself you may change `available` alone.")
        seen = [_details(stored)] if body.model_fields_set & _HIDDEN else [_shown(stored), _details(stored)]
        require_any_match(request, *seen)
        row = await _update(conn, found["id"], stored, body)
    return changed(_details(row))


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


def _require(desk: Desk, business: Row, provider: Row | None) -> Membership:
    provider_id = None if provider is None else provider["id"]
    return desk.require(Permission.MANAGE_CALENDAR, business["id"], provider_id=provider_id)


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
