"""Recording a step: idempotent, and never over a newer history."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.booking import BookingActivities
from db.repositories import bookings
from domain.booking import SYSTEM, BookingState
from domain.lifecycle import Status
from domain.steps import BookingRef, Hold, Outcome, Step, StepKind, StepResult
from runtime.ids import new_id
from tests.support.factories import Tenant, make_booking

_EVENTS = text("SELECT type FROM events WHERE subject = :subject ORDER BY id")

_MESSAGES = text("SELECT kind FROM messages WHERE booking_id = :id ORDER BY id")


async def _record(engine: AsyncEngine, step: Step) -> StepResult:
    return await ActivityEnvironment().run(BookingActivities(engine).record_step, step)


def _step(before: BookingState, status: Status, *, key: str, hold: Hold = Hold.KEEP) -> Step:
    at = datetime.now(UTC)
    return Step(
        kind=StepKind.TRANSITION,
        key=key,
        old_status=before.status,
        was_flagged=before.needs_attention,
        after=before.entering(status, at),
        hold=hold,
        at=at,
        actor=SYSTEM,
    )


async def _history_and_events(engine: AsyncEngine, state: BookingState) -> tuple[list[str], list[str]]:
    """The statuses in the history, and the kinds of event that went out."""
    async with engine.connect() as conn:
        rows = await bookings.list_history(conn, state.business_id, state.booking_id)
        events = await conn.execute(_EVENTS, {"subject": str(state.booking_id)})
        return [row["new_status"] for row in rows], [str(kind) for kind in events.scalars()]


async def _messages(engine: AsyncEngine, state: BookingState) -> list[str]:
    """The kinds of message that were written."""
    async with engine.connect() as conn:
        return [str(kind) for kind in (await conn.execute(_MESSAGES, {"id": state.booking_id})).scalars()]


@pytest.mark.parametrize("hold", [Hold.KEEP, Hold.FORCE, Hold.CHOOSE], ids=str)
async def test_a_step_written_twice_is_written_once(engine: AsyncEngine, tenant: Tenant, hold: Hold) -> None:
    created = await make_booking(engine, tenant)
    step = _step(created, Status.ASSIGNED, key="run/assigned", hold=hold)
    first = await _record(engine, step)
    again = await _record(engine, step)
    assert first.outcome is Outcome.RECORDED
    assert again == first
    assert await _history_and_events(engine, created) == (
        ["pending", "assigned"],
        ["scheduling.booking.created", "scheduling.booking.assigned"],
    )
    assert await _messages(engine, created) == ["received", "offered"]


async def test_another_step_in_the_same_place_is_stale_and_hears_what_is_stored(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    created = await make_booking(engine, tenant)
    assigned = await _record(engine, _step(created, Status.ASSIGNED, key="first run/assigned"))
    late = _step(created, Status.CANCELLED, key="second run/cancelled", hold=Hold.RELEASE)
    refused = await _record(engine, late)
    assert refused == StepResult(outcome=Outcome.STALE, state=assigned.state)
    assert (await _history_and_events(engine, created))[0] == ["pending", "assigned"]
    assert await _messages(engine, created) == ["received", "offered"]
    async with engine.connect() as conn:
        stored = await bookings.find_state(conn, created.business_id, created.booking_id)
    assert stored == assigned.state  # with its time still held: the release was rolled back too


async def test_a_step_asked_for_again_after_the_next_one_is_stale(engine: AsyncEngine, tenant: Tenant) -> None:
    created = await make_booking(engine, tenant)
    first = _step(created, Status.ASSIGNED, key="run/assigned")
    assigned = (await _record(engine, first)).state
    assert assigned is not None
    accepted = await _record(engine, _step(assigned, Status.ACCEPTED, key="run/accepted"))
    assert await _record(engine, first) == StepResult(outcome=Outcome.STALE, state=accepted.state)


async def test_a_step_for_time_that_is_taken_writes_nothing(engine: AsyncEngine, tenant: Tenant) -> None:
    taken = await make_booking(engine, tenant, provider="ana")
    waiting = await make_booking(engine, tenant, provider=None, starts_at=taken.starts_at)
    wish = waiting.model_copy(update={"provider_id": tenant.providers["ana"]})
    for hold in (Hold.TAKE, Hold.FORCE):
        refused = await _record(engine, _step(wish, Status.ASSIGNED, key=f"run/{hold}", hold=hold))
        assert refused.outcome is Outcome.UNAVAILABLE
    chosen = await _record(engine, _step(waiting, Status.ASSIGNED, key="run/choose", hold=Hold.CHOOSE))
    assert chosen.state is not None
    assert chosen.state.provider_id == tenant.providers["ben"]


async def test_a_step_of_another_business_s_booking_is_not_written(engine: AsyncEngine, tenant: Tenant) -> None:
    created = await make_booking(engine, tenant)
    foreign = created.model_copy(update={"business_id": new_id()})
    with pytest.raises(ApplicationError) as refused:
        await _record(engine, _step(foreign, Status.CANCELLED, key="run/cancelled", hold=Hold.RELEASE))
    assert (refused.value.type, refused.value.non_retryable) == ("not_found", True)
    assert (await _history_and_events(engine, created))[0] == ["pending"]


async def test_a_booking_is_read_back_as_it_was_written(engine: AsyncEngine, tenant: Tenant) -> None:
    created = await make_booking(engine, tenant)
    ref = BookingRef(booking_id=created.booking_id, business_id=created.business_id)
    activities = BookingActivities(engine)
    assert await ActivityEnvironment().run(activities.load_booking, ref) == created
