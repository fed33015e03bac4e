"""Steps that are stored in the database but unknown to the workflow, as after a crash of Temporal."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.booking import BookingActivities
from db.repositories import bookings
from db.scheduling import step_records
from domain.booking import BookingState
from domain.commands import BookingCommand
from domain.steps import Outcome, Step
from domain.transitions import decide
from runtime.ids import new_id

_UNCONFIRMED = text("SELECT count(*) FROM unconfirmed_commands WHERE booking_id = :id")
_FORGET = text("DELETE FROM unconfirmed_commands WHERE booking_id = :id")


async def commit_behind_the_workflow(
    engine: AsyncEngine,
    business_id: UUID,
    booking_id: UUID,
    command: BookingCommand,
    *,
    is_noted: bool = True,
) -> BookingState:
    """Commit a command's step as its activity does, without the workflow; returns the stored state.

    With `is_noted=False` the unconfirmed command is not recorded.
    """
    async with engine.connect() as conn:
        before = await bookings.find_state(conn, business_id, booking_id)
    assert before is not None
    step = _step(before, command)
    async with engine.connect() as conn:
        result = await step_records.record_step(conn, business_id, step, BookingActivities(engine)._announce)
    assert result.outcome is Outcome.RECORDED
    assert result.state is not None
    if not is_noted:
        async with engine.begin() as conn:
            await conn.execute(_FORGET, {"id": booking_id})
    return result.state


async def unconfirmed(engine: AsyncEngine, booking_id: UUID | str) -> int:
    """The number of a booking's unconfirmed commands."""
    async with engine.connect() as conn:
        return int((await conn.execute(_UNCONFIRMED, {"id": booking_id})).scalar_one())


def _step(before: BookingState, command: BookingCommand) -> Step:
    at = datetime.now(UTC)
    decision = decide(before, command, at)
    return Step(
        kind=decision.kind,
        key=f"lost/{new_id()}",
        old_status=before.status,
        was_flagged=before.needs_attention,
        after=decision.after,
        hold=decision.hold,
        at=at,
        actor=decision.actor,
        reason=decision.reason,
        command_id=command.command_id or str(new_id()),
    )
