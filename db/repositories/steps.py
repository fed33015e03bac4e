"""Recording one step of a booking: projection, history row, event and reservation, all or nothing.

The step is a compare-and-set on the booking's version. Whoever comes second finds the version taken, and either
recognises its own step by the key (written before a crash, asked for again) or learns that it is stale. A command
is applied once: a reset of the workflow hands it every update since again, and their ids are in the history.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import availability, bookings, calendar, placement
from db.repositories.calendar import Appointment
from db.repositories.placement import ProviderChoice
from db.repositories.rows import Row, row, row_or_none
from domain.areas import plain_code
from domain.assignment import AssignmentStrategy, Candidate, Choice, named_choice
from domain.booking import BookingState
from domain.errors import HoldfastError, NotFoundError
from domain.events import SCHEMA_VERSION, SOURCE, event_type
from domain.lifecycle import Role
from domain.search import BookingRules, SlotQuery
from domain.steps import CatchUp, Hold, Outcome, Step, StepKind, StepResult
from domain.zones import epoch
from runtime.ids import new_id

Announce = Callable[[AsyncConnection, Step, BookingState], Awaitable[None]]
"""Writes what is told about a step and the state after it."""


class _NotFreeError(Exception):
    """Rolls back what the step has written; carries why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


async def record(conn: AsyncConnection, business_id: UUID, step: Step, announce: Announce) -> StepResult:
    """Write a step once, and what `announce` adds to it in the same transaction.

    `conn` must be outside a transaction: this opens and ends its own.
    """
    try:
        async with conn.begin():
            state, choice = await _after(conn, business_id, step)
            if await _write(conn, business_id, step, state, choice):
                await announce(conn, step, state)
                return StepResult(outcome=Outcome.RECORDED, state=state)
            raise _NotFreeError(Outcome.STALE)
    except _NotFreeError as refused:
        found = await _found(conn, business_id, step)
        if found is not None:
            return found
        return StepResult(outcome=refused.outcome)


async def _found(conn: AsyncConnection, business_id: UUID, step: Step) -> StepResult | None:
    """The answer from what is in the database already: this very step, this very command, or another history."""
    async with conn.begin():
        state = await bookings.find_state(conn, business_id, step.after.booking_id)
        if state is None:
            raise NotFoundError(f"There is no booking {step.after.booking_id}.")
        traces = await row(conn, _TRACES, _place(business_id, step) | _names(step))
    if traces["step_written"] and state.version == step.after.version:
        return StepResult(outcome=Outcome.RECORDED, state=state)
    if state.version != step.after.version - 1:
        return _stale(state, traces)
    if traces["command_version"] is None or step.command_id is None:
        return None
    versions = {step.command_id: traces["command_version"]}
    return StepResult(outcome=Outcome.REPEATED, state=state, applied_versions=versions)


def _stale(state: BookingState, traces: Row) -> StepResult:
    ahead = dict(zip(traces["commands_ahead"], traces["versions_ahead"], strict=True))
    return StepResult(outcome=Outcome.STALE, state=state, applied_command_ids=tuple(ahead), applied_versions=ahead)


async def find_ahead(conn: AsyncConnection, business_id: UUID, known: CatchUp) -> StepResult:
    """The booking as it is stored, and the commands behind the steps after the version that is known.

    Raises:
        NotFoundError: there is no such booking.
    """
    state = await bookings.find_state(conn, business_id, known.booking_id)
    if state is None:
        raise NotFoundError(f"There is no booking {known.booking_id}.")
    place = {"business_id": business_id, "booking_id": known.booking_id, "sequence": known.version + 1}
    traces = await row(conn, _TRACES, place | {"key": "", "command_id": None})
    return _stale(state, traces)


async def _after(conn: AsyncConnection, business_id: UUID, step: Step) -> tuple[BookingState, Choice | None]:
    """The state to store once the provider's time has been seen to, and why this provider if that is new."""
    match step.hold:
        case Hold.KEEP:
            if step.kind is StepKind.RESCHEDULED and step.actor.role is Role.CUSTOMER:
                await _admit(conn, business_id, step)
            return step.after, None
        case Hold.RELEASE:
            await calendar.release(conn, business_id, step.after.booking_id)
            return step.after.model_copy(update={"holds_time": False}), None
        case Hold.TAKE | Hold.FORCE | Hold.CHOOSE:
            return await _reserve(conn, business_id, step)


async def _admit(conn: AsyncConnection, business_id: UUID, step: Step) -> None:
    """Hold a customer who moves a booking without a provider to what creating it there would be held to."""
    booking = await _locked(conn, business_id, step)
    wanted = Appointment(step.after.starts_at, _terms(booking, step.after))
    search = _search(step, booking, wanted)
    await calendar.take_turns(conn, business_id, placement.turns(search, wanted, step.after.policy.assignment))
    try:
        (await availability.load(conn, business_id, search)).admit(step.after.starts_at)
    except HoldfastError as refused:
        raise _NotFreeError(Outcome.UNAVAILABLE) from refused


async def _locked(conn: AsyncConnection, business_id: UUID, step: Step) -> Row:
    """The booking, which nobody else writes until the transaction ends, as it was before this step."""
    booking = await row_or_none(conn, _LOCK, _place(business_id, step))
    if booking is None or booking["version"] != step.after.version - 1:
        raise _NotFreeError(Outcome.STALE)
    return booking


async def _reserve(conn: AsyncConnection, business_id: UUID, step: Step) -> tuple[BookingState, Choice | None]:
    """Reserve for the named provider, or for the best of those who are free.

    What the booking held before is given back first, in the same transaction: moving it is a swap.
    """
    after = step.after
    booking = await _locked(conn, business_id, step)
    wanted = Appointment(after.starts_at, _terms(booking, after))
    search = _search(step, booking, wanted)
    # The turns first, then what others may wait for: in one order nobody waits for each other.
    await calendar.take_turns(conn, business_id, placement.turns(search, wanted, after.policy.assignment))
    await calendar.release(conn, business_id, after.booking_id)
    for chosen in await _candidates(conn, business_id, step, search):
        provider_id = chosen.candidate.provider_id
        if await calendar.reserve(
            conn, business_id, provider_id=provider_id, booking_id=after.booking_id, wanted=wanted
        ):
            await placement.mark(conn, business_id, chosen.choice)
            is_new = provider_id != booking["provider_id"] or step.kind is StepKind.TRANSITION
            return _with_provider(after, chosen.candidate), chosen.choice if is_new else None
    raise _NotFreeError(Outcome.UNAVAILABLE)


async def _candidates(
    conn: AsyncConnection, business_id: UUID, step: Step, search: SlotQuery
) -> list[ProviderChoice]:
    """Who may be asked, in order."""
    after, strategy = step.after, step.after.policy.assignment
    if step.hold is not Hold.CHOOSE:
        fit = await calendar.find_provider(conn, business_id, after.provider_id, search.terms.required_skills)
        if fit is None:
            raise _NotFreeError(Outcome.UNFIT)
        if step.hold is Hold.FORCE:
            return [ProviderChoice(fit, named_choice(fit.provider_id))]
    read = await availability.load(conn, business_id, search)
    try:
        moving = step.kind is StepKind.RESCHEDULED
        free = read.bookable_at(after.starts_at) if moving else read.free_at(after.starts_at)
    except HoldfastError as refused:  # too soon, a full day, out of reach: no time for this booking
        raise _NotFreeError(Outcome.UNAVAILABLE) from refused
    return list(placement.best(free, search, strategy))


def _with_provider(after: BookingState, candidate: Candidate) -> BookingState:
    accepts = after.policy.auto_accept if candidate.auto_accept is None else candidate.auto_accept
    return after.model_copy(
        update={"provider_id": candidate.provider_id, "auto_accept": accepts, "holds_time": True}
    )


def _terms(booking: Row, after: BookingState) -> BookingRules:
    """The service's terms as they are now, but for the time that the booking was promised."""
    return BookingRules(
        service_id=after.service_id,
        duration_minutes=int((after.ends_at - after.starts_at).total_seconds()) // 60,
        required_skills=tuple(booking["required_skills"]),
        **{name: booking[name] for name in _TERMS},
    )


def _search(step: Step, booking: Row, wanted: Appointment) -> SlotQuery:
    after, postal_code = step.after, booking["postal_code"]
    named = None if step.hold is Hold.CHOOSE else after.provider_id
    at = epoch(wanted.starts_at)
    return SlotQuery(
        terms=wanted.terms,
        zone=ZoneInfo(booking["business_timezone"]),
        window=(at, at + 1),
        now=step.at,
        provider_id=named,
        refused=() if named else after.refused_provider_ids,
        postal_code=plain_code(postal_code) if postal_code else None,
        customer_id=booking["customer_id"],
        preferred_provider_id=booking["preferred_provider_id"],
        weighs_load=after.policy.assignment is AssignmentStrategy.LEAST_BUSY,
        moving_booking_id=after.booking_id,
    )


def _place(business_id: UUID, step: Step) -> dict[str, Any]:
    return {
        "business_id": business_id,
        "booking_id": step.after.booking_id,
        "sequence": step.after.version,
    }


def _names(step: Step) -> dict[str, Any]:
    return {"key": step.key, "command_id": step.command_id}


_LOCK = text("""
SELECT b.version, b.provider_id, b.buffer_before_minutes, b.buffer_after_minutes, b.customer_id,
       b.preferred_provider_id, b.address ->> 'postal_code' AS postal_code, bs.timezone AS business_timezone,
       s.required_skills, s.slot_step_minutes, s.min_notice_minutes, s.horizon_days, s.capacity, s.daily_limit
FROM bookings b JOIN services s ON s.id = b.service_id JOIN businesses bs ON bs.id = b.business_id
WHERE b.business_id = :business_id AND b.id = :booking_id
FOR NO KEY UPDATE OF b
""")

_TERMS = (
    "buffer_before_minutes",
    "buffer_after_minutes",
    "slot_step_minutes",
    "min_notice_minutes",
    "horizon_days",
    "capacity",
    "daily_limit",
)

_TRACES = text("""
SELECT coalesce(bool_or(sequence = :sequence AND step_key = :key), false) AS step_written,
       min(sequence) FILTER (WHERE command_id = CAST(:command_id AS text)) AS command_version,
       coalesce(array_agg(command_id) FILTER (WHERE sequence >= :sequence AND command_id IS NOT NULL), '{}')
           AS commands_ahead,
       coalesce(array_agg(sequence) FILTER (WHERE sequence >= :sequence AND command_id IS NOT NULL), '{}')
           AS versions_ahead
FROM booking_history WHERE business_id = :business_id AND booking_id = :booking_id
""")

_WRITE = text("""
WITH booking AS (
    UPDATE bookings SET
        status = :status, version = :sequence, starts_at = :starts_at, ends_at = :ends_at,
        provider_id = CAST(:provider_id AS uuid), auto_accept = :auto_accept, phase_since = :phase_since,
        attempt = :attempt, next_attempt_at = CAST(:next_attempt_at AS timestamptz),
        refused_provider_ids = CAST(:refused_provider_ids AS uuid[]), accepted_once = :accepted_once,
        absent_party = :absent_party, needs_attention = :needs_attention, planned_from = :planned_from,
        payment = CAST(:payment AS varchar), fee_owed_since = CAST(:fee_owed_since AS timestamptz),
        choice = CASE WHEN CAST(:provider_id AS uuid) IS NOT NULL
                      THEN coalesce(CAST(:choice AS jsonb), choice) END,
        updated_at = :at
    WHERE business_id = :business_id AND id = :booking_id AND version = :sequence - 1
      AND NOT EXISTS (
          SELECT 1 FROM booking_history
          WHERE booking_id = :booking_id AND command_id = CAST(:command_id AS text))
    RETURNING id, customer_id
), history AS (
    INSERT INTO booking_history (
        booking_id, sequence, business_id, kind, step_key, old_status, new_status, actor_role, actor_id,
        reason, provider_id, command_id, occurred_at)
    SELECT id, :sequence, :business_id, :kind, :key, :old_status, :status, :actor_role, CAST(:actor_id AS uuid),
        coalesce(
            (SELECT body FROM remarks WHERE business_id = :business_id AND id = CAST(:remark_id AS uuid)),
            CAST(:reason AS text)),
        CAST(:provider_id AS uuid), :command_id, :at
    FROM booking
), event AS (
    INSERT INTO events (
        id, business_id, type, source, subject, time, correlation_id, actor, data, schema_version)
    SELECT :event_id, :business_id, :event_type, :source, id::text, :at, :correlation_id, CAST(:actor AS jsonb),
        jsonb_build_object(
            'bookingId', id, 'providerId', CAST(:provider_id AS uuid), 'customerId', customer_id,
            'startTime', CAST(:starts_at AS timestamptz), 'endTime', CAST(:ends_at AS timestamptz),
            'status', CAST(:status AS text)),
        :schema_version
    FROM booking
), unconfirmed AS (
    INSERT INTO unconfirmed_commands (booking_id, sequence, business_id)
    SELECT id, :sequence, :business_id FROM booking WHERE CAST(:command_id AS text) IS NOT NULL
)
SELECT id FROM booking
""")


async def _write(
    conn: AsyncConnection, business_id: UUID, step: Step, state: BookingState, choice: Choice | None
) -> bool:
    """The compare-and-set itself; False when the version was not the one before this step."""
    parameters = state.model_dump(
        exclude={"booking_id", "business_id", "service_id", "policy", "version", "holds_time", "reference"}
    ) | _place(business_id, step)
    parameters |= _names(step) | {
        "refused_provider_ids": list(state.refused_provider_ids),
        "choice": None if choice is None else choice.model_dump_json(),
        "at": step.at,
        "kind": step.kind,
        "old_status": step.old_status,
        "actor_role": step.actor.role,
        "actor_id": step.actor.user_id,
        "actor": step.actor.model_dump_json(),
        "reason": step.reason,
        "remark_id": step.remark_id,
        "correlation_id": step.correlation_id,
        "event_id": new_id(),
        "event_type": event_type(step.kind, state.status),
        "source": SOURCE,
        "schema_version": SCHEMA_VERSION,
    }
    return await row_or_none(conn, _WRITE, parameters) is not None
