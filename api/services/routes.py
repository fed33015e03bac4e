"""`/v1/businesses/{business}/services`: what can be booked."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import needs
from api.businesses.answers import changed, created, require_any_match
from api.businesses.keys import key_for
from api.businesses.paths import IdOrSlug, ServiceKey, found_business
from api.businesses.visitors import AnyVisitor
from api.deps import AppParts, AtDesk
from api.services.schemas import ServiceChange, ServiceIn, ServiceOut, Services, columns
from db.engine import autocommit
from db.repositories import catalogue, services
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import AlreadyExistsError, NotFoundError
from runtime.ids import new_id

router = APIRouter(prefix="/v1/businesses/{business}/services", tags=["services"])

All = Annotated[bool, Query(alias="all", description="Also those that are not active; for owner and admin.")]


@router.post(
    "",
    operation_id="createService",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    status_code=201,
    response_model=ServiceOut,
)
async def create(business: IdOrSlug, body: ServiceIn, parts: AppParts, desk: AtDesk) -> Response:
    """Add a service.

    Its code is what tells services apart, so the same request again adds no second one: it is answered with 409
    `already_exists` and the `id` of the one that is there. An Idempotency-Key is not needed, and not looked at.
    """
    async with parts.engine.begin() as conn:
        found = await found_business(conn, business)
        desk.require(Permission.MANAGE_BUSINESS, found["id"])
        code = key_for("code", body.code, body.name)
        values = columns(body.model_dump() | {"code": code}, found["currency"])
        row = await services.create(conn, found["id"], new_id(), values)
        if row is None:
            raise await _code_taken(conn, found, code)
    return created(_shown(row), f"/v1/businesses/{found['id']}/services/{row['id']}")


@router.get("", operation_id="listServices", dependencies=[needs(Permission.BROWSE)], response_model=Services)
async def list_services(
    business: IdOrSlug, request: Request, parts: AppParts, visitor: AnyVisitor, *, all_: All = False
) -> Response:
    """What can be booked, by code."""
    async with autocommit(parts.engine) as conn:
        found = await found_business(conn, business)
    if all_:
        await visitor.require(Permission.MANAGE_BUSINESS, found["id"])
    async with autocommit(parts.engine) as conn:
        rows = await catalogue.list_services(conn, found["id"], inactive=all_)
    shown = {"items": [_shown(row) for row in rows]}
    return caching.cached(request, shown, caching.PRIVATE if all_ else caching.CATALOGUE)


@router.get(
    "/{service}", operation_id="getService", dependencies=[needs(Permission.BROWSE)], response_model=ServiceOut
)
async def get(
    business: IdOrSlug, service: ServiceKey, request: Request, parts: AppParts, visitor: AnyVisitor
) -> Response:
    """One service. One that is not active exists for owner and admin alone."""
    async with autocommit(parts.engine) as conn:
        found = await found_business(conn, business)
        row = await services.find(conn, found["id"], service)
    public = row is not None and row["active"]
    seen = public or await visitor.manages(found["id"])
    if row is None or not seen:
        raise _missing(service)
    return caching.cached(request, _shown(row), caching.CATALOGUE if public else caching.PRIVATE)


@router.patch(
    "/{service}",
    operation_id="changeService",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ServiceOut,
)
async def change(
    business: IdOrSlug, service: ServiceKey, body: ServiceChange, request: Request, parts: AppParts, desk: AtDesk
) -> Response:
    """Change what is sent, for bookings made from now on; `If-Match` may name the tag of the service."""
    async with parts.engine.begin() as conn:
        found = await found_business(conn, business)
        desk.require(Permission.MANAGE_BUSINESS, found["id"])
        stored = await services.lock(conn, found["id"], service)
        if stored is None:
            raise _missing(service)
        require_any_match(request, _shown(stored))
        changes = columns(body.model_dump(exclude_unset=True), stored["currency"])
        row = await services.update(conn, found["id"], {**stored, **changes})
    return changed(_shown(row))


def _missing(service: str) -> NotFoundError:
    return NotFoundError(f"There is no service '{service}'.")


async def _code_taken(conn: AsyncConnection, business: Row, code: str) -> AlreadyExistsError:
    row = await services.find(conn, business["id"], code)
    extra = {} if row is None else {"id": str(row["id"])}
    return AlreadyExistsError(f"There is a service '{code}' already.", **extra)


def _shown(row: Row) -> dict[str, Any]:
    return ServiceOut.of(row).model_dump(mode="json")
