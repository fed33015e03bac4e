"""`/v1/businesses`: create, read and change a business."""

from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import BusinessDep, UserDep, needs
from api.answers import changed, created
from api.businesses.creation import create_business
from api.businesses.policies import changed_policy
from api.businesses.schemas import BusinessChange, BusinessIn, BusinessOut, MyBusinesses, MyBusinessOut, RoleOut
from api.caching import RequiredIfMatchDep
from api.deps import AppStateDep
from api.request_context import RequestContextDep
from api.writes import OnceWriterDep, WriterDep
from db.engine import autocommit
from db.repositories import businesses
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import ForbiddenError, NotReadyError
from domain.policies import Policy
from runtime.json import to_json_text

router = APIRouter(prefix="/v1/businesses", tags=["businesses"])

_NEEDED = {"services": "an active service", "providers": "an available provider", "hours": "opening hours"}


@router.post(
    "",
    operation_id="createBusiness",
    dependencies=[needs(Permission.FOUND_BUSINESS)],
    status_code=201,
    response_model=BusinessOut,
)
async def create(
    body: BusinessIn, user: UserDep, context: RequestContextDep, app: AppStateDep, write: OnceWriterDep
) -> Response:
    """Found a business and own it. It begins in `setup`: everything can be prepared, nothing booked.

    The slug is what tells businesses apart, so the same request again founds no second one: under the same
    Idempotency-Key it is answered alike, else with 409 `already_exists`, which gives its owner the `id`. An
    installation may leave founding to its operators: then it is 403 `forbidden`.
    """
    if app.settings.founders == "operators":
        raise ForbiddenError("Businesses are founded by those who run this installation: ask them.")

    async def make(conn: AsyncConnection) -> Response:
        row = await create_business(conn, body, user.user_id)
        context.about(row["id"], row["id"])
        write.announce("business.business.created", row["id"])
        return created(_shown(row), f"/v1/businesses/{row['id']}")

    return await write.once(body, make)


@router.get(
    "",
    operation_id="listMyBusinesses",
    dependencies=[needs(Permission.FOUND_BUSINESS)],
    response_model=MyBusinesses,
)
async def list_mine(request: Request, app: AppStateDep, user: UserDep) -> Response:
    """The businesses in which you have roles, by name."""
    async with autocommit(app.engine) as conn:
        rows = await businesses.list_of_user(conn, user.user_id)
    mine: dict[UUID, MyBusinessOut] = {}
    for row in rows:
        business = mine.setdefault(row["id"], MyBusinessOut.of(row))
        business.roles.append(RoleOut(role=row["role"], provider_id=row["provider_id"]))
    shown = MyBusinesses(items=list(mine.values())).model_dump(mode="json")
    return caching.cached(request, shown, caching.PRIVATE)


@router.get(
    "/{business}", operation_id="getBusiness", dependencies=[needs(Permission.BROWSE)], response_model=BusinessOut
)
async def get(business: BusinessDep, request: Request) -> Response:
    """One business, with what customers need to know of its policy."""
    return caching.cached(request, _shown(business), caching.BUSINESS)


@router.get(
    "/{business}/policy",
    operation_id="getBusinessPolicy",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=Policy,
)
async def get_policy(business: BusinessDep, request: Request) -> Response:
    """The whole policy, defaults filled in."""
    return caching.cached(request, _policy(business), caching.PRIVATE)


@router.patch(
    "/{business}",
    operation_id="changeBusiness",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=BusinessOut,
)
async def change(
    business: BusinessDep, body: BusinessChange, expected: RequiredIfMatchDep, write: WriterDep
) -> Response:
    """Change what is sent. `If-Match` names the tag of the business or, with a policy, that of `…/policy`.

    A policy holds for bookings made from now on: those that exist keep the one they were made under. A new
    currency is that of services added from now on. Under a new slug the old one leads nowhere. `active` needs an
    active service, an available provider and opening hours, else 409 `not_ready` says what is `missing`.
    """
    async with write.begin() as conn:
        stored = await businesses.lock(conn, business["id"])
        expected.check(_policy(stored) if "policy" in body.model_fields_set else _shown(stored))
        row = await businesses.update(conn, business["id"], {**stored, **_changes(body, stored)})
        if row["status"] == "active" and stored["status"] != "active":
            await _require_ready(conn, business["id"])
        write.announce("business.business.changed", business["id"])
    return changed(_shown(row))


def _changes(body: BusinessChange, stored: Row) -> dict[str, Any]:
    changes = body.model_dump(exclude_unset=True)
    if "policy" in changes:
        changes["policy"] = to_json_text(changed_policy(orjson.loads(stored["policy"]), body.policy))
    return changes


async def _require_ready(conn: AsyncConnection, business_id: UUID) -> None:
    missing = await businesses.list_missing(conn, business_id)
    if missing:
        needed = ", ".join(_NEEDED[name] for name in missing)
        raise NotReadyError(f"Before it takes bookings, the business needs {needed}.", missing=missing)


def _shown(row: Row) -> dict[str, Any]:
    return BusinessOut.of(row).model_dump(mode="json")


def _policy(row: Row) -> dict[str, Any]:
    return Policy.model_validate_json(row["policy"]).model_dump(mode="json")
