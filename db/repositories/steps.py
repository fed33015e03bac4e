"""Recording one step of a booking: projection, history row, event and reservation, all or nothing.

The step is a compare-and-set on the booking's version. Whoever comes second finds the version taken, and either
recognises its own step by the key (written before a crash, asked for again) or learns that it is stale. A command
is applied once: a reset of the workflow hands it every update since again, and their ids are in the history.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import bookings, calendar
from db.repositories.calendar import Candidate, Wanted
from db.repositories.rows import Row, row, row_or_none
from domain.assignment import best_first
from domain.booking import BookingState
from domain.errors import NotFoundError
from domain.events import SCHEMA_VERSION, SOURCE, event_type
from domain.steps import Hold, Outcome, Step, StepResult
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
            state = await _after(conn, business_id, step)
            if await _write(conn, business_id, step, state):
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
        ahead = tuple(traces["commands_ahead"])
        return StepResult(outcome=Outcome.STALE, state=state, applied_command_ids=ahead)
    return StepResult(outcome=Outcome.REPEATED, state=state) if traces["command_applied"] else None


async def _after(conn: AsyncConnection, business_id: UUID, step: Step) -> BookingState:
    """The state to store once the provider's time has been seen to."""
    match step.hold:
        case Hold.KEEP:
            return step.after
        case Hold.RELEASE:
            await calendar.release(conn, business_id, step.after.booking_id)
            return step.after.model_copy(update={"holds_time": False})
        case Hold.TAKE | Hold.FORCE | Hold.CHOOSE:
            return await _reserve(conn, business_id, step)


async def _reserve(conn: AsyncConnection, business_id: UUID, step: Step) -> BookingState:
    """Reserve for the named provider, or for the best of those who are free.

    What the booking held before is given back first, in the same transaction: moving it is a swap.
    """
    after = step.after
    booking = await row_or_none(conn, _LOCK, _place(business_id, step))
    if booking is None or booking["version"] != after.version - 1:
        raise _NotFreeError(Outcome.STALE)
    wanted = _wanted(booking, after)
    await calendar.release(conn, business_id, after.booking_id)
    for candidate in await _candidates(conn, business_id, step, wanted):
        if await calendar.reserve(
            conn,
            business_id,
            provider_id=candidate.provider_id,
            booking_id=after.booking_id,
            wanted=wanted,
        ):
            return _with_provider(after, candidate)
    raise _NotFreeError(Outcome.UNAVAILABLE)


async def _candidates(conn: AsyncConnection, business_id: UUID, step: Step, wanted: Wanted) -> list[Candidate]:
    """Who may be asked, in order."""
    after = step.after
    if step.hold is Hold.CHOOSE:
        free = await calendar.list_free(conn, business_id, wanted, refused=after.refused_provider_ids)
        return best_first(free)
    named = await calendar.find_provider(conn, business_id, after.provider_id, wanted.required_skills)
    if named is None:
        raise _NotFreeError(Outcome.UNFIT)
    if step.hold is Hold.FORCE:
        return [named]
    return await calendar.list_free(conn, business_id, wanted, provider_id=named.provider_id)


def _with_provider(after: BookingState, candidate: Candidate) -> BookingState:
    accepts = after.policy.auto_accept if candidate.auto_accept is None else candidate.auto_accept
    return after.model_copy(
        update={"provider_id": candidate.provider_id, "auto_accept": accepts, "holds_time": True}
    )


def _wanted(booking: Row, after: BookingState) -> Wanted:
    return Wanted(
        starts_at=after.starts_at,
        ends_at=after.ends_at,
        buffer_before_minutes=booking["buffer_before_minutes"],
        buffer_after_minutes=booking["buffer_after_minutes"],
        timezone=booking["timezone"],
        required_skills=booking["required_skills"],
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
SELECT b.version, b.buffer_before_minutes, b.buffer_after_minutes, b.timezone, s.required_skills
FROM bookings b JOIN services s ON s.id = b.service_id
WHERE b.business_id = :business_id AND b.id = :booking_id
FOR NO KEY UPDATE OF b
""")

_TRACES = text("""
SELECT coalesce(bool_or(sequence = :sequence AND step_key = :key), false) AS step_written,
       coalesce(bool_or(command_id = CAST(:command_id AS text)), false) AS command_applied,
       coalesce(array_agg(command_id) FILTER (WHERE sequence >= :sequence AND command_id IS NOT NULL), '{}')
           AS commands_ahead
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
)
SELECT id FROM booking
""")


async def _write(conn: AsyncConnection, business_id: UUID, step: Step, state: BookingState) -> bool:
    """The compare-and-set itself; False when the version was not the one before this step."""
    parameters = state.model_dump(
        exclude={"booking_id", "business_id", "service_id", "policy", "version", "holds_time"}
    ) | _place(business_id, step)
    parameters |= _names(step) | {
        "refused_provider_ids": list(state.refused_provider_ids),
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
