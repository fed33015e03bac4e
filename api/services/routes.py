"""`/v1/businesses/{business}/services`: what can be booked."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import ThisBusiness, ThisCaller, needs
from api.businesses.answers import changed, created, invalid
from api.businesses.keys import key_for
from api.businesses.paths import ServiceKey
from api.caching import MustExpect
from api.deps import AppStateDep
from api.services.schemas import ServiceChange, ServiceIn, ServiceOut, Services, columns, deposit_problem
from api.writes import Writing, WritingOnce
from db.engine import autocommit
from db.repositories import services
from db.repositories.rows import Row
from domain.access import Permission, may, require
from domain.errors import AlreadyExistsError, NotFoundError
from domain.payments import PaymentMode
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
async def create(business: ThisBusiness, body: ServiceIn, write: WritingOnce) -> Response:
    """Add a service.

    Its code is what tells services apart, so the same request again adds no second one: under the same
    Idempotency-Key it is answered alike, else with 409 `already_exists` and the `id` of the one that is there.
    """

    async def make(conn: AsyncConnection) -> Response:
        code = key_for("code", body.code, body.name)
        values = columns(body.model_dump() | {"code": code}, business["currency"])
        row = await services.create(conn, business["id"], new_id(), values)
        if row is None:
            raise await _code_taken(conn, business, code)
        write.concerns(row["id"])
        return created(_shown(row), f"/v1/businesses/{business['id']}/services/{row['id']}")

    return await write.once(body, make)


@router.get("", operation_id="listServices", dependencies=[needs(Permission.BROWSE)], response_model=Services)
async def list_services(
    business: ThisBusiness, request: Request, app: AppStateDep, caller: ThisCaller, *, all_: All = False
) -> Response:
    """What can be booked, by code."""
    if all_:
        require(caller, Permission.MANAGE_BUSINESS, business["id"])
    async with autocommit(app.engine) as conn:
        rows = await services.list_all(conn, business["id"], inactive=all_)
    shown = {"items": [_shown(row) for row in rows]}
    return caching.cached(request, shown, caching.PRIVATE if all_ else caching.CATALOGUE)


@router.get(
    "/{service}", operation_id="getService", dependencies=[needs(Permission.BROWSE)], response_model=ServiceOut
)
async def get(
    business: ThisBusiness, service: ServiceKey, request: Request, app: AppStateDep, caller: ThisCaller
) -> Response:
    """One service. One that is not active exists for owner and admin alone."""
    async with autocommit(app.engine) as conn:
        row = await services.find(conn, business["id"], service)
    public = row is not None and row["active"]
    if row is None or not (public or may(caller, Permission.MANAGE_BUSINESS, business["id"])):
        raise _missing(service)
    return caching.cached(request, _shown(row), caching.CATALOGUE if public else caching.PRIVATE)


@router.patch(
    "/{service}",
    operation_id="changeService",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=ServiceOut,
)
async def change(
    business: ThisBusiness, service: ServiceKey, body: ServiceChange, expected: MustExpect, write: Writing
) -> Response:
    """Change what is sent, for bookings made from now on; `If-Match` names the tag of the service."""
    async with write.begin() as conn:
        stored = await services.lock(conn, business["id"], service)
        if stored is None:
            raise _missing(service)
        write.concerns(stored["id"])
        expected.check(_shown(stored))
        changes = columns(body.model_dump(exclude_unset=True), stored["currency"])
        row = await services.update(conn, business["id"], _merged(stored, changes))
    return changed(_shown(row))


def _merged(stored: Row, changes: dict[str, Any]) -> dict[str, Any]:
    """The row after the change; a deposit goes with its mode."""
    merged = {**stored, **changes}
    if merged["payment_mode"] != PaymentMode.DEPOSIT and "deposit_minor" not in changes:
        merged["deposit_minor"] = None
    mode = PaymentMode(merged["payment_mode"])
    if (wrong := deposit_problem(mode, merged["deposit_minor"], merged["price_minor"])) is not None:
        raise invalid("deposit_minor", wrong.partition(": ")[2])
    return merged


def _missing(service: str) -> NotFoundError:
    return NotFoundError(f"There is no service '{service}'.")


async def _code_taken(conn: AsyncConnection, business: Row, code: str) -> AlreadyExistsError:
    row = await services.find(conn, business["id"], code)
    extra = {} if row is None else {"id": str(row["id"])}
    return AlreadyExistsError(f"There is a service '{code}' already.", **extra)


def _shown(row: Row) -> dict[str, Any]:
    return ServiceOut.of(row).model_dump(mode="json")
