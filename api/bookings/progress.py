"""Where a booking stands: every step so far, and what happens next."""

from datetime import datetime
from uuid import UUID

from api.bookings.lookup import find_booking
from api.bookings.schemas import ActorOut, CancellationOut, History, HistoryItem, NextOut
from api.deps import AppState
from api.request_context import RequestContext
from api.shapes import Money
from db.engine import autocommit
from db.repositories import bookings
from db.repositories.rows import Row
from domain import timeline
from domain.booking import BookingState
from domain.callers import Guest
from domain.errors import NotFoundError
from domain.guests import knows_customers
from domain.lifecycle import Command, command_fits
from domain.transitions import owes_fee


async def history_of(app: AppState, context: RequestContext, booking_id: UUID) -> History:
    """Every step of the booking, as the caller may see it: guests are told the role, not who it was.

    Raises:
        NotFoundError: as `find_booking`.
    """
    found = await find_booking(app, context, booking_id)
    async with autocommit(app.engine) as conn:
        rows = await bookings.list_history(conn, found["business_id"], booking_id)
    names = not isinstance(context.caller, Guest)
    actors = [ActorOut(role=row["actor_role"], id=row["actor_id"] if names else None) for row in rows]
    return History(items=[HistoryItem(actor=actor, **row) for actor, row in zip(actors, rows, strict=True)])


async def next_of(app: AppState, context: RequestContext, booking_id: UUID) -> NextOut:
    """What happens next to the booking, as the caller may see it.

    Raises:
        NotFoundError: as `find_booking`.
    """
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
