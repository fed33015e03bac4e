"""`/v1/businesses/{business}/audit-log`: what was done in a business, and what was denied."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api import cursors
from api.access import BusinessDep, needs
from api.deps import AppStateDep
from db.engine import autocommit
from db.repositories import audit
from db.repositories.audit import Filters
from db.repositories.rows import Row
from domain.access import Permission
from domain.callers import CallerKind
from domain.text_patterns import TextPattern
from domain.times import MomentInUrl

Outcome = Literal["done", "denied"]


class AuditActor(BaseModel):
    kind: CallerKind
    id: UUID | None
    """The user or the API key; of a guest the booking; of nobody in particular none."""


class AuditLine(BaseModel):
    """Who did what to which object from where."""

    id: UUID
    at: datetime
    actor: AuditActor
    action: str
    """The operation id of the request."""
    object_id: str | None
    """What it was done to: what the request made, or the last thing that its path names."""
    outcome: Outcome
    code: str | None
    """Of what was denied: the problem's code."""
    address: str | None
    request_id: str


class AuditPage(BaseModel):
    items: list[AuditLine]
    next_cursor: str | None


router = APIRouter(prefix="/v1/businesses/{business}/audit-log", tags=["audit log"])

_Action = Annotated[str, TextPattern("^[A-Za-z]{1,100}$", "must be an operation id: letters, as createBooking")]
_ObjectId = Annotated[str, TextPattern("^[A-Za-z0-9_-]{1,100}$", "must be an id or a code, as the lines show it")]
Action = Annotated[_Action | None, Query(description="An operation id.")]
ObjectId = Annotated[_ObjectId | None, Query(description="As the lines name it.")]
From = Annotated[MomentInUrl | None, Query(alias="from", description="At or after.")]
To = Annotated[MomentInUrl | None, Query(description="Before.")]
Cursor = Annotated[str | None, Query(max_length=cursors.LONGEST)]


@router.get(
    "",
    operation_id="listAuditLog",
    dependencies=[needs(Permission.READ_AUDIT_LOG)],
    response_model=AuditPage,
)
async def list_audit_log(
    business: BusinessDep,
    app: AppStateDep,
    actor_id: UUID | None = None,
    action: Action = None,
    object_id: ObjectId = None,
    outcome: Outcome | None = None,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Cursor = None,
) -> AuditPage:
    """Who did what to which object from where, newest first: every write, and every access that was denied.

    There are ids in it, and network addresses, but no names and nothing of what was written.
    """
    filters = Filters(
        actor_id=actor_id, action=action, object_id=object_id, outcome=outcome, from_=from_, before=to
    )
    listing = f"audit-log/{business['id']}"
    after = app.cursors.decode(listing, cursor) if cursor else None
    async with autocommit(app.engine) as conn:
        rows = await audit.list_page(conn, business["id"], filters, limit=limit + 1, after=after)
    shown = rows[:limit]
    more = app.cursors.encode(listing, shown[-1]["at"], shown[-1]["id"]) if len(rows) > limit else None
    return AuditPage(items=[_line(row) for row in shown], next_cursor=more)


def _line(row: Row) -> AuditLine:
    return AuditLine(**row, actor=AuditActor(kind=row["actor_kind"], id=row["actor_id"]))
