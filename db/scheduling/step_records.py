"""Recording one step of a booking: projection, history row, event and reservation, all or nothing.

The step is a compare-and-set on the booking's version. A second writer finds the version taken: either it
recognises its own step by the key (written before a crash and requested again), or it learns that it is stale. A
command is applied once: a reset of the workflow delivers every later update again, and the history has their ids.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import booking_writes, bookings, reservations
from db.repositories.reservations import Appointment
from db.repositories.rows import Row
from db.scheduling import placement
from domain.assignment import Candidate, Choice
from domain.booking import BookingState
from domain.errors import NotFoundError, ProviderUnfitError
from domain.lifecycle import Role
from domain.steps import CatchUpRequest, Hold, Outcome, Step, StepKind, StepResult

Announce = Callable[[AsyncConnection, Step, BookingState], Awaitable[None]]
"""Writes the messages and effects of a step and the state after it."""


async def record_step(conn: AsyncConnection, business_id: UUID, step: Step, announce: Announce) -> StepResult:
    """Write a step once, and what `announce` adds to it in the same transaction.

    `conn` must be outside a transaction: this opens and ends its own.

    Raises:
        NotFoundError: there is no such booking.
    """
    async with conn.begin() as transaction:
        placed = await _place(conn, business_id, step)
        if not isinstance(placed, Outcome):
            state, choice = placed
            if await booking_writes.write_step(conn, business_id, step, state, choice):
                await announce(conn, step, state)
                return StepResult(outcome=Outcome.RECORDED, state=state)
            placed = Outcome.STALE
        await transaction.rollback()
    return await _find_written(conn, business_id, step) or StepResult(outcome=placed)


async def find_ahead(conn: AsyncConnection, business_id: UUID, known: CatchUpRequest) -> StepResult:
    """The stored booking, and the commands behind the steps after the known version.

    Raises:
        NotFoundError: there is no such booking.
    """
    state = await _state(conn, business_id, known.booking_id)
    sequence = known.version + 1
    traces = await booking_writes.find_traces(conn, business_id, known.booking_id, sequence=sequence)
    return _stale(state, traces)


async def _find_written(conn: AsyncConnection, business_id: UUID, step: Step) -> StepResult | None:
    """The result that the database already has: this very step, this very command, or another history."""
    async with conn.begin():
        state = await _state(conn, business_id, step.after.booking_id)
        traces = await booking_writes.find_traces(
            conn,
            business_id,
            state.booking_id,
            sequence=step.after.version,
            step_key=step.key,
            command_id=step.command_id,
        )
    if traces["step_written"] and state.version == step.after.version:
        return StepResult(outcome=Outcome.RECORDED, state=state)
    if state.version != step.after.version - 1:
        return _stale(state, traces)
    if traces["command_version"] is None or step.command_id is None:
        return None
    versions = {step.command_id: traces["command_version"]}
    return StepResult(outcome=Outcome.REPEATED, state=state, applied_versions=versions)


async def _state(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> BookingState:
    state = await bookings.find_state(conn, business_id, booking_id)
    if state is None:
        raise NotFoundError(f"There is no booking {booking_id}.")
    return state


def _stale(state: BookingState, traces: Row) -> StepResult:
    ahead = dict(zip(traces["commands_ahead"], traces["versions_ahead"], strict=True))
    return StepResult(outcome=Outcome.STALE, state=state, applied_command_ids=tuple(ahead), applied_versions=ahead)


_Placed = tuple[BookingState, Choice | None]
"""The state to store, and why its provider was chosen if the provider is new."""


async def _place(conn: AsyncConnection, business_id: UUID, step: Step) -> _Placed | Outcome:
    """Reserve, keep or release the provider's time; an outcome when that is not possible."""
    match step.hold:
        case Hold.KEEP:
            return await _keep(conn, business_id, step)
        case Hold.RELEASE:
            await reservations.release(conn, business_id, step.after.booking_id)
            return step.after.model_copy(update={"holds_time": False}), None
        case Hold.TAKE | Hold.FORCE | Hold.CHOOSE:
            return await _reserve(conn, business_id, step)


async def _keep(conn: AsyncConnection, business_id: UUID, step: Step) -> _Placed | Outcome:
    """Leave the time as it is. A customer's move without a provider must be admitted like a new booking."""
    if step.kind is StepKind.RESCHEDULED and step.actor.role is Role.CUSTOMER:
        booking = await _lock(conn, business_id, step)
        if booking is None:
            return Outcome.STALE
        query = placement.step_query(step, booking)
        if not await placement.admits_move(conn, business_id, step, query):
            return Outcome.UNAVAILABLE
    return step.after, None


async def _reserve(conn: AsyncConnection, business_id: UUID, step: Step) -> _Placed | Outcome:
    """Reserve the time of the named provider, or of the best who is free."""
    after, booking = step.after, await _lock(conn, business_id, step)
    if booking is None:
        return Outcome.STALE
    query = placement.step_query(step, booking)
    placed = await placement.place_step(conn, business_id, step, query)
    if placed.refusal is not None:
        return Outcome.UNFIT if isinstance(placed.refusal, ProviderUnfitError) else Outcome.UNAVAILABLE
    appointment = Appointment(after.starts_at, query.rules)
    for chosen in placed.choices:
        if await reservations.reserve(
            conn,
            business_id,
            provider_id=chosen.provider_id,
            booking_id=after.booking_id,
            appointment=appointment,
        ):
            await placement.mark_assigned(conn, business_id, chosen.choice)
            is_new = chosen.provider_id != booking["provider_id"] or step.kind is StepKind.TRANSITION
            return _with_provider(after, chosen.candidate), chosen.choice if is_new else None
    return Outcome.UNAVAILABLE


async def _lock(conn: AsyncConnection, business_id: UUID, step: Step) -> Row | None:
    """The booking before this step, locked; none when it is not at the version before the step."""
    booking = await booking_writes.lock(conn, business_id, step.after.booking_id)
    return booking if booking is not None and booking["version"] == step.after.version - 1 else None


def _with_provider(after: BookingState, candidate: Candidate) -> BookingState:
    accepts = after.policy.auto_accept if candidate.auto_accept is None else candidate.auto_accept
    return after.model_copy(
        update={"provider_id": candidate.provider_id, "auto_accept": accepts, "holds_time": True}
    )
