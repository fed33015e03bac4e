"""`/v1/bookings`: create, look at, and list."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api import audit_trail
from api.access import needs
from api.bookings import representation
from api.bookings.creation import create_booking
from api.bookings.lookup import find_booking, reach_of
from api.bookings.schemas import (
    ActorOut,
    BookingIn,
    BookingOut,
    BookingPage,
    CancellationOut,
    History,
    HistoryItem,
    NextOut,
)
from api.cursors import LONGEST
from api.deps import AppStateDep
from api.idempotency import OptionalKey, plain_key
from api.request_context import RequestContextDep
from api.shapes import Money
from db.engine import autocommit
from db.repositories import bookings
from db.repositories.bookings import Filters, Page
from db.repositories.rows import Row
from domain import timeline
from domain.access import Permission
from domain.booking import BookingState
from domain.callers import CallerKind, Guest
from domain.errors import IdempotencyKeyMissingError, NotFoundError
from domain.guests import knows_customers
from domain.lifecycle import Command, Status, command_fits
from domain.times import MomentInUrl
from domain.transitions import owes_fee
from runtime.json import to_json

router = APIRouter(prefix="/v1/bookings", tags=["bookings"])


@router.post(
    "",
    operation_id="createBooking",
    dependencies=[needs(Permission.BOOK)],
    status_code=201,
    response_model=BookingOut,
)
async def create(
    body: BookingIn,
    request: Request,
    context: RequestContextDep,
    app: AppStateDep,
    idempotency_key: OptionalKey = None,
) -> Response:
    """Book a service at a time. Answers once the booking is committed; a provider is asked right behind it.

    `Idempotency-Key` is required. Without logging in, say who you are in `customer`; the token in `manage` then
    opens the booking to whoever has it, to see, move or cancel it.
    """
    key = plain_key(idempotency_key)
    if key is None:
        raise IdempotencyKeyMissingError
    created = await create_booking(app, context, body, key, audit_trail.entry_of(request, "done"))
    return representation.created_response(created.body, created.booking_id, context.caller, app.tokens)


@router.get(
    "", operation_id="listBookings", dependencies=[needs(Permission.READ_BOOKINGS)], response_model=BookingPage
)
async def list_bookings(
    app: AppStateDep,
    context: RequestContextDep,
    status: Annotated[list[Status] | None, Query()] = None,
    business_id: UUID | None = None,
    provider_id: UUID | None = None,
    customer_id: UUID | None = None,
    needs_attention: bool | None = None,
    from_: Annotated[MomentInUrl | None, Query(alias="from", description="Starts at or after.")] = None,
    to: Annotated[MomentInUrl | None, Query(description="Starts before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> Response:
    """The bookings that you may see, by start: your own, those you provide, those of businesses you run."""
    filters = Filters(
        statuses=tuple(status or ()),
        business_id=business_id,
        provider_id=provider_id,
        customer_id=customer_id,
        starts_from=from_,
        starts_before=to,
        needs_attention=needs_attention,
    )
    caller = context.caller
    listing = f"bookings/{context.caller_name}"
    after = app.cursors.decode(listing, cursor) if cursor is not None else ()
    page = Page(limit=limit + 1, after=(after[0], after[1]) if after else None)
    async with autocommit(app.engine) as conn:
        rows = await bookings.list_page(conn, reach_of(caller), filters, page)
    if caller.kind is not CallerKind.USER and rows:  # every other caller belongs to one business
        context.about(rows[0]["business_id"])
    shown = rows[:limit]
    is_more = len(rows) > limit
    more = app.cursors.encode(listing, shown[-1]["starts_at"], shown[-1]["id"]) if is_more else None
    return _json({"items": [representation.booking(row, caller) for row in shown], "next_cursor": more})


@router.get(
    "/{booking_id}",
    operation_id="getBooking",
    dependencies=[needs(Permission.READ_BOOKINGS)],
    response_model=BookingOut,
)
async def get(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> Response:
    """One booking."""
    found = await find_booking(app, context, booking_id)
    return representation.booking_response(found, context.caller, app.tokens)


@router.get(
    "/{booking_id}/history", operation_id="getBookingHistory", dependencies=[needs(Permission.READ_BOOKINGS)]
)
async def history(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> History:
    """Every step of the booking: who, as what, when and why. Guests are told the role, not who it was."""
    found = await find_booking(app, context, booking_id)
    async with autocommit(app.engine) as conn:
        rows = await bookings.list_history(conn, found["business_id"], booking_id)
    names = not isinstance(context.caller, Guest)
    actors = [ActorOut(role=row["actor_role"], id=row["actor_id"] if names else None) for row in rows]
    return History(items=[HistoryItem(actor=actor, **row) for actor, row in zip(actors, rows, strict=True)])


@router.get("/{booking_id}/next", operation_id="getBookingNext", dependencies=[needs(Permission.READ_BOOKINGS)])
async def next_(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> NextOut:
    """What happens next: the phase, its deadline, the attempts, who refused, and the reminders to come."""
    found = await find_booking(app, context, booking_id)
    async with autocommit(app.engine) as conn:
        state = await bookings.find_state(conn, found["business_id"], booking_id)
        choice = await bookings.find_choice(conn, found["business_id"], booking_id)
    if state is None:
        raise NotFoundError
    return NextOut(
        status=state.status,
        phase=timeline.phase(state),
        deadline=timeline.deadline(state),
        attempt=state.attempt,
        max_attempts=state.policy.backoff.attempts,
        next_attempt_at=None if state.awaits_payment else state.next_attempt_at,
        refused_provider_ids=list(state.refused_provider_ids),
        choice=choice if knows_customers(context.caller) else None,
        cancellation=_cancellation(state, found, app.now()),
        movable_until=state.starts_at if command_fits(Command.RESCHEDULE, state.status) else None,
        reminders=timeline.reminders_after(state, app.now()),
        needs_attention=state.needs_attention,
    )


def _cancellation(state: BookingState, found: Row, now: datetime) -> CancellationOut:
    fee = state.policy.cancellation.fee_minor(found["price_minor"])
    return CancellationOut(
        free_until=state.free_until if fee else None,
        fee=Money(amount_minor=fee, currency=found["currency"]),
        is_due=fee > 0 and owes_fee(state, now),
    )


def _json(body: Any) -> Response:
    return Response(to_json(body), media_type="application/json")
