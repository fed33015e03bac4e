"""`/v1/bookings`: create, look at, and list."""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.access import needs
from api.bookings import cursors, rendering
from api.bookings.commanding import find_booking, reach_of
from api.bookings.creation import CreateRequest, create_booking
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
from api.deps import AppParts, CurrentPrincipal, RequestId
from api.idempotency import OptionalKey, plain_key
from api.shapes import Money
from db.engine import autocommit
from db.repositories import bookings
from db.repositories.bookings import Filters, Page
from db.repositories.rows import Row
from domain import plan
from domain.access import Permission
from domain.booking import BookingState
from domain.errors import InvalidRequestError, NotFoundError
from domain.lifecycle import Status
from domain.times import Moment
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
    parts: AppParts,
    principal: CurrentPrincipal,
    request_id: RequestId,
    idempotency_key: OptionalKey = None,
) -> Response:
    """Book a service at a time. Answers once the booking is committed; a provider is asked right behind it."""
    key = plain_key(idempotency_key)
    if key is None:
        raise InvalidRequestError("The header Idempotency-Key is missing: send a fresh unique value.")
    created = await create_booking(parts, CreateRequest(principal, body, key, request_id))
    return rendering.created_response(created.body, created.booking_id)


@router.get(
    "", operation_id="listBookings", dependencies=[needs(Permission.READ_BOOKINGS)], response_model=BookingPage
)
async def list_bookings(
    parts: AppParts,
    principal: CurrentPrincipal,
    status: Annotated[list[Status] | None, Query()] = None,
    business_id: UUID | None = None,
    provider_id: UUID | None = None,
    customer_id: UUID | None = None,
    needs_attention: bool | None = None,
    from_: Annotated[Moment | None, Query(alias="from", description="Starts at or after.")] = None,
    to: Annotated[Moment | None, Query(description="Starts before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
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
    page = Page(limit=limit + 1, after=cursors.decode(cursor) if cursor else None)
    async with autocommit(parts.engine) as conn:
        rows = await bookings.list_page(conn, reach_of(principal), filters, page)
    shown = rows[:limit]
    more = cursors.encode(shown[-1]["starts_at"], shown[-1]["id"]) if len(rows) > limit else None
    return _json({"items": [rendering.booking(row) for row in shown], "next_cursor": more})


@router.get(
    "/{booking_id}",
    operation_id="getBooking",
    dependencies=[needs(Permission.READ_BOOKINGS)],
    response_model=BookingOut,
)
async def get(booking_id: UUID, parts: AppParts, principal: CurrentPrincipal) -> Response:
    """One booking."""
    return rendering.booking_response(await find_booking(parts, principal, booking_id))


@router.get(
    "/{booking_id}/history", operation_id="getBookingHistory", dependencies=[needs(Permission.READ_BOOKINGS)]
)
async def history(booking_id: UUID, parts: AppParts, principal: CurrentPrincipal) -> History:
    """Every step of the booking: who, as what, when and why."""
    found = await find_booking(parts, principal, booking_id)
    async with autocommit(parts.engine) as conn:
        rows = await bookings.list_history(conn, found["business_id"], booking_id)
    return History(
        items=[HistoryItem(actor=ActorOut(role=row["actor_role"], id=row["actor_id"]), **row) for row in rows]
    )


@router.get("/{booking_id}/next", operation_id="getBookingNext", dependencies=[needs(Permission.READ_BOOKINGS)])
async def next_(booking_id: UUID, parts: AppParts, principal: CurrentPrincipal) -> NextOut:
    """What happens next: the phase, its deadline, the attempts, who refused, and the reminders to come."""
    found = await find_booking(parts, principal, booking_id)
    async with autocommit(parts.engine) as conn:
        state = await bookings.find_state(conn, found["business_id"], booking_id)
        choice = await bookings.find_choice(conn, found["business_id"], booking_id)
    if state is None:
        raise NotFoundError
    return NextOut(
        status=state.status,
        phase=plan.phase(state),
        deadline=plan.deadline(state),
        attempt=state.attempt,
        max_attempts=state.policy.backoff.attempts,
        next_attempt_at=state.next_attempt_at,
        refused_provider_ids=list(state.refused_provider_ids),
        choice=choice,
        cancellation=_cancellation(state, found),
        reminders=plan.reminders_after(state, parts.now()),
        needs_attention=state.needs_attention,
    )


def _cancellation(state: BookingState, found: Row) -> CancellationOut:
    policy = state.policy.cancellation
    fee = policy.fee_minor(found["price_minor"])
    return CancellationOut(
        free_until=state.starts_at - timedelta(minutes=policy.window_minutes) if fee else None,
        fee=Money(amount_minor=fee, currency=found["currency"]),
    )


def _json(body: Any) -> Response:
    return Response(to_json(body), media_type="application/json")
