"""`/v1/businesses/{business}/members`: who runs a business. Providers are made at `providers`."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import BusinessDep, UserDep, needs
from api.answers import changed
from api.deps import AppStateDep
from api.shapes import In
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import members
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import ForbiddenError, LastOwnerError, NotFoundError
from domain.lifecycle import Role

DeskRole = Literal[Role.OWNER, Role.ADMIN]


class MemberIn(In):
    role: DeskRole


class MemberOut(BaseModel):
    """A role of a user; somebody with two roles is there twice. Providers say which one they are."""

    user_id: UUID
    name: str
    role: Role
    provider_id: UUID | None
    created_at: datetime


class Members(BaseModel):
    items: list[MemberOut]


router = APIRouter(prefix="/v1/businesses/{business}/members", tags=["members"])

RoleTaken = Annotated[DeskRole, Path(description="`owner` or `admin`.")]


@router.get(
    "", operation_id="listMembers", dependencies=[needs(Permission.MANAGE_MEMBERS)], response_model=Members
)
async def list_members(business: BusinessDep, request: Request, app: AppStateDep) -> Response:
    """Everybody who has a role in the business, providers among them."""
    async with autocommit(app.engine) as conn:
        rows = await members.list_all(conn, business["id"])
    return caching.cached(request, {"items": [_shown(row) for row in rows]}, caching.PRIVATE)


@router.put(
    "/{user_id}",
    operation_id="putMember",
    dependencies=[needs(Permission.MANAGE_MEMBERS)],
    response_model=MemberOut,
)
async def put(business: BusinessDep, user_id: UUID, body: MemberIn, user: UserDep, write: WriterDep) -> Response:
    """Give a user a role beside those they have. Only owners make owners."""
    async with write.begin() as conn:
        if body.role is Role.OWNER:
            await _owners_locked_by(conn, user.user_id, business["id"])
        row = await members.add(conn, business["id"], user_id, body.role)
        if row is None:
            raise NotFoundError(f"There is no user '{user_id}'.")
    return changed(_shown(row))


@router.delete(
    "/{user_id}/{role}",
    operation_id="removeMember",
    dependencies=[needs(Permission.MANAGE_MEMBERS)],
    status_code=204,
)
async def remove(business: BusinessDep, user_id: UUID, role: RoleTaken, user: UserDep, write: WriterDep) -> None:
    """Take a role away. Only owners unmake owners, and the last one stays (409 `last_owner`)."""
    write.set_object_id(user_id)
    async with write.begin() as conn:
        if role is Role.OWNER and await _owners_locked_by(conn, user.user_id, business["id"]) == {user_id}:
            raise LastOwnerError
        await members.remove(conn, business["id"], user_id, role)


async def _owners_locked_by(conn: AsyncConnection, user_id: UUID, business_id: UUID) -> set[UUID]:
    """The owners, locked. The caller must be one now: another may have removed them since the access check."""
    owners = await members.lock_owners(conn, business_id)
    if user_id not in owners:
        raise ForbiddenError("Only owners make and unmake owners.")
    return owners


def _shown(row: Row) -> dict[str, Any]:
    return MemberOut(**row).model_dump(mode="json")
