"""`…/jobs`: the effects of bookings at vendors, and the repair of stuck ones.

What the API's addresses call a job is an effect (`domain.effects`) everywhere else in the code.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import BusinessDep, needs
from api.answers import listed
from api.bookings.lookup import find_booking
from api.cursors import LONGEST
from api.deps import AppState, AppStateDep
from api.request_context import RequestContext, RequestContextDep
from api.writes import OnceWriter, OnceWriterDep
from db.engine import autocommit
from db.repositories import effects
from db.repositories.rows import Row
from domain.access import Permission, may
from domain.effects import URGENCY, EffectKind, EffectState, Vendor
from domain.errors import ForbiddenError, JobNotRepairableError, NotFoundError

Priority = Literal["critical", "high", "medium", "low"]


class JobOut(BaseModel):
    """Something that a vendor is to do, and what became of it."""

    id: UUID
    booking_id: UUID | None
    kind: EffectKind
    vendor: Vendor
    priority: Priority
    state: EffectState
    attempts: int
    last_error: str | None
    """A code of ours; what the vendor said is not kept."""
    due_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    done_at: datetime | None
    """When it came to an end, whichever."""
    vendor_ref: str | None
    """What the vendor calls what it made."""
    created_at: datetime


class Jobs(BaseModel):
    items: list[JobOut]


class JobPage(BaseModel):
    items: list[JobOut]
    next_cursor: str | None


router = APIRouter(tags=["jobs"])

Repair = Callable[[AsyncConnection, UUID, UUID], Awaitable[Row | None]]


@router.get(
    "/v1/bookings/{booking_id}/jobs",
    operation_id="listBookingJobs",
    dependencies=[needs(Permission.READ_JOBS)],
    response_model=Jobs,
)
async def list_booking_jobs(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> Response:
    """Every effect of the booking, as they were planned: e-mails, texts, payments, jobs, reports, webhooks."""
    business_id = await _business_of(app, context, booking_id, Permission.READ_JOBS)
    async with autocommit(app.engine) as conn:
        rows = await effects.list_of_booking(conn, business_id, booking_id)
    return listed({"items": [_out(row) for row in rows]})


@router.post(
    "/v1/bookings/{booking_id}/jobs/{job_id}/retry",
    operation_id="retryJob",
    dependencies=[needs(Permission.REPAIR_JOBS)],
    response_model=JobOut,
)
async def retry_job(
    booking_id: UUID, job_id: UUID, app: AppStateDep, context: RequestContextDep, write: OnceWriterDep
) -> Response:
    """Have it tried again at once, with all its attempts before it; the vendor still hears of it once.

    What waits for its turn already is left as it is.
    """
    business_id = await _business_of(app, context, booking_id, Permission.REPAIR_JOBS)
    effect = _BookingEffect(business_id, booking_id, job_id)
    return await write.once(None, lambda conn: effect.repair(conn, write, effects.retry, EffectState.PENDING))


@router.post(
    "/v1/bookings/{booking_id}/jobs/{job_id}/skip",
    operation_id="skipJob",
    dependencies=[needs(Permission.REPAIR_JOBS)],
    response_model=JobOut,
)
async def skip_job(
    booking_id: UUID, job_id: UUID, app: AppStateDep, context: RequestContextDep, write: OnceWriterDep
) -> Response:
    """Do without it, so that what waits for it goes on. An attempt that is under way may still succeed."""
    business_id = await _business_of(app, context, booking_id, Permission.REPAIR_JOBS)
    effect = _BookingEffect(business_id, booking_id, job_id)
    return await write.once(None, lambda conn: effect.repair(conn, write, effects.skip, EffectState.SKIPPED))


@router.get(
    "/v1/businesses/{business}/jobs",
    operation_id="listJobs",
    dependencies=[needs(Permission.READ_JOBS)],
    response_model=JobPage,
)
async def list_jobs(
    business: BusinessDep,
    app: AppStateDep,
    state: EffectState = EffectState.FAILED,
    vendor: Vendor | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> Response:
    """The business's effects in one state, the newest first; unless asked otherwise those that have failed."""
    listing = f"jobs/{business['id']}/{state}/{vendor}"
    before = app.cursors.decode(listing, cursor)[0] if cursor else None
    async with autocommit(app.engine) as conn:
        rows = await effects.list_page(
            conn, business["id"], limit=limit + 1, state=state, vendor=vendor, before=before
        )
    shown = rows[:limit]
    more = app.cursors.encode(listing, shown[-1]["id"]) if len(rows) > limit else None
    return listed({"items": [_out(row) for row in shown], "next_cursor": more})


class _BookingEffect:
    """One effect of one booking."""

    def __init__(self, business_id: UUID, booking_id: UUID, effect_id: UUID) -> None:
        self._business_id = business_id
        self._booking_id = booking_id
        self._id = effect_id

    async def repair(self, conn: AsyncConnection, write: OnceWriter, how: Repair, result: EffectState) -> Response:
        """Repair it; a repeated request gets the same answer.

        Raises:
            NotFoundError: the booking has no such effect.
            JobNotRepairableError: its state does not allow it.
        """
        await self._find(conn)
        write.set_object_id(self._id)
        after = await how(conn, self._business_id, self._id) or await self._find(conn)
        if after["state"] != result:
            raise JobNotRepairableError(state=after["state"])
        return listed(_out(after))

    async def _find(self, conn: AsyncConnection) -> Row:
        found = await effects.find(conn, self._business_id, self._id)
        if found is None or found["booking_id"] != self._booking_id:
            raise NotFoundError("The booking has no such job.")
        return found


async def _business_of(app: AppState, context: RequestContext, booking_id: UUID, permission: Permission) -> UUID:
    """The booking's business, for those who run it.

    Raises:
        NotFoundError: the caller may see no such booking.
        ForbiddenError: the caller is only its customer or provider.
    """
    found = await find_booking(app, context, booking_id)
    business_id: UUID = found["business_id"]
    if not may(context.caller, permission, business_id):
        raise ForbiddenError
    return business_id


def _out(row: Row) -> dict[str, Any]:
    priority = URGENCY[EffectKind(row["kind"])].name.lower()
    return {name: priority if name == "priority" else row[name] for name in JobOut.model_fields}
