"""Recording a step: idempotent, never over a newer history, and all or nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.repositories import bookings, remarks
from db.scheduling.step_records import Announce, record_step
from domain.booking import BookingState
from domain.errors import NotFoundError
from domain.lifecycle import Status
from domain.steps import Hold, Outcome, Step, StepResult
from runtime.ids import new_id
from tests.support.booking_states import step, stored
from tests.support.factories import Tenant, add_provider, future, make_booking, make_tenant


async def tell_nobody(_conn: AsyncConnection, _step: Step, _after: BookingState) -> None:
    """The announcement of most of these tests."""


async def record(engine: AsyncEngine, new_step: Step, announce: Announce = tell_nobody) -> StepResult:
    """Record it as the activity does."""
    async with engine.connect() as conn:
        return await record_step(conn, new_step.after.business_id, new_step, announce)


async def history(engine: AsyncEngine, state: BookingState) -> Sequence[Any]:
    async with engine.connect() as conn:
        return await bookings.list_history(conn, state.business_id, state.booking_id)


async def count_events(engine: AsyncEngine, state: BookingState) -> int:
    query = text("SELECT count(*) FROM events WHERE subject = :id")
    async with engine.connect() as conn:
        return int((await conn.execute(query, {"id": str(state.booking_id)})).scalar_one())


async def holder(engine: AsyncEngine, tenant: Tenant, state: BookingState) -> str | None:
    """The name of the provider whose time is reserved for the booking."""
    query = text("SELECT provider_id FROM reservations WHERE booking_id = :id")
    async with engine.connect() as conn:
        found = (await conn.execute(query, {"id": state.booking_id})).scalar_one_or_none()
    return None if found is None else tenant.name_of(found)


async def test_a_step_writes_projection_history_and_event_together(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    result = await record(engine, step(state, Status.ASSIGNED))
    assert result.outcome is Outcome.RECORDED
    assert result.state == await stored(engine, state)
    assert [row["new_status"] for row in await history(engine, state)] == ["pending", "assigned"]
    assert await count_events(engine, state) == 2


async def test_the_same_step_asked_for_twice_is_written_once(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    new_step = step(state, Status.ASSIGNED)
    first, second = await record(engine, new_step), await record(engine, new_step)
    assert second == first
    assert len(await history(engine, state)) == 2
    assert await count_events(engine, state) == 2


async def test_the_same_step_asked_for_at_once_is_written_once(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    new_step = step(state, Status.CANCELLED, Hold.RELEASE)
    results = await asyncio.gather(*(record(engine, new_step) for _ in range(8)))
    assert {result.outcome for result in results} == {Outcome.RECORDED}
    assert len(await history(engine, state)) == 2
    assert await holder(engine, tenant, state) is None


async def test_of_two_rival_steps_one_is_recorded_and_the_other_hears_how_things_stand(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    state = await make_booking(engine, tenant)
    rivals = [step(state, Status.ASSIGNED), step(state, Status.CANCELLED, Hold.RELEASE)]
    results = await asyncio.gather(*(record(engine, rival) for rival in rivals))
    assert sorted(result.outcome for result in results) == [Outcome.RECORDED, Outcome.STALE]
    now = await stored(engine, state)
    assert all(result.state == now for result in results)
    assert now.version == 2


async def test_a_step_that_the_history_has_passed_is_stale_and_brings_the_present_state(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    state = await make_booking(engine, tenant)
    assigned = (await record(engine, step(state, Status.ASSIGNED))).state
    assert assigned is not None
    accepted = (await record(engine, step(assigned, Status.ACCEPTED))).state
    for late in (step(state, Status.CANCELLED, Hold.RELEASE), step(state, Status.ASSIGNED, Hold.CHOOSE)):
        assert await record(engine, late) == StepResult(outcome=Outcome.STALE, state=accepted)
    assert await holder(engine, tenant, state) == "ana"
    assert len(await history(engine, state)) == 3


async def test_a_step_of_the_same_key_that_was_passed_is_stale_too(engine: AsyncEngine, tenant: Tenant) -> None:
    """It was written and the booking went on: whoever asks again must not take the old state for the present."""
    state = await make_booking(engine, tenant)
    new_step = step(state, Status.ASSIGNED)
    assigned = (await record(engine, new_step)).state
    assert assigned is not None
    accepted = (await record(engine, step(assigned, Status.ACCEPTED))).state
    assert await record(engine, new_step) == StepResult(outcome=Outcome.STALE, state=accepted)


async def test_a_step_ahead_of_the_history_is_not_written(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    ahead = step(state.model_copy(update={"version": 5}), Status.ASSIGNED)
    assert (await record(engine, ahead)).outcome is Outcome.STALE
    assert (await stored(engine, state)).version == 1


async def test_a_command_that_was_applied_leads_to_no_second_step(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    assigned = (await record(engine, step(state, Status.ASSIGNED, command_id="once"))).state
    assert assigned is not None
    again = step(assigned, Status.CANCELLED, Hold.RELEASE, command_id="once")
    expected = StepResult(outcome=Outcome.REPEATED, state=assigned, applied_versions={"once": assigned.version})
    assert await record(engine, again) == expected
    assert await holder(engine, tenant, state) == "ana"
    assert len(await history(engine, state)) == 2


async def test_the_same_command_to_another_booking_is_another_command(engine: AsyncEngine, tenant: Tenant) -> None:
    bookings_of_both = [await make_booking(engine, tenant, provider=name) for name in tenant.providers]
    for state in bookings_of_both:
        result = await record(engine, step(state, Status.ASSIGNED, command_id="once"))
        assert result.outcome is Outcome.RECORDED


async def test_choosing_takes_the_best_who_is_free_and_has_not_refused(engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, providers={"ana": 4.9, "ben": 4.7, "cho": 4.5})
    await make_booking(engine, tenant, provider="ben")
    state = await make_booking(engine, tenant, provider=None)
    refused = {"refused_provider_ids": (tenant.providers["ana"],)}
    result = await record(engine, step(state, Status.ASSIGNED, Hold.CHOOSE, state_changes=refused))
    assert result.state is not None
    assert tenant.name_of(result.state.provider_id) == "cho"
    assert await holder(engine, tenant, state) == "cho"


async def test_when_nobody_is_free_nothing_is_written(engine: AsyncEngine, tenant: Tenant) -> None:
    for name in tenant.providers:
        await make_booking(engine, tenant, provider=name)
    state = await make_booking(engine, tenant, provider=None)
    result = await record(engine, step(state, Status.ASSIGNED, Hold.CHOOSE))
    assert result == StepResult(outcome=Outcome.UNAVAILABLE)
    assert await stored(engine, state) == state
    assert len(await history(engine, state)) == 1


@pytest.mark.parametrize("hold", [Hold.TAKE, Hold.FORCE])
async def test_a_provider_who_is_busy_is_unavailable_and_what_was_held_stays_held(
    engine: AsyncEngine, tenant: Tenant, hold: Hold
) -> None:
    await make_booking(engine, tenant, provider="ben")
    state = await make_booking(engine, tenant, provider="ana")
    to_ben = {"provider_id": tenant.providers["ben"]}
    result = await record(engine, step(state, Status.ASSIGNED, hold, state_changes=to_ben))
    assert result == StepResult(outcome=Outcome.UNAVAILABLE)
    assert await holder(engine, tenant, state) == "ana"


@pytest.mark.parametrize("hold", [Hold.TAKE, Hold.FORCE])
@pytest.mark.parametrize("who", ["nobody", "unskilled", "another tenant's"])
async def test_a_provider_who_does_not_do_this_is_unfit(
    engine: AsyncEngine, tenant: Tenant, hold: Hold, who: str
) -> None:
    async with engine.begin() as conn:
        unskilled = await add_provider(conn, tenant, "una", skills=["gardening"])
    foreign = (await make_tenant(engine)).providers["ana"]
    named = {"nobody": new_id(), "unskilled": unskilled, "another tenant's": foreign}[who]
    state = await make_booking(engine, tenant)
    result = await record(engine, step(state, Status.ASSIGNED, hold, state_changes={"provider_id": named}))
    assert result == StepResult(outcome=Outcome.UNFIT)
    assert await holder(engine, tenant, state) == "ana"


async def test_only_the_desk_books_somebody_who_is_off(engine: AsyncEngine, tenant: Tenant) -> None:
    async with engine.begin() as conn:
        off = await add_provider(conn, tenant, "ora", available=False)
    state = await make_booking(engine, tenant)
    to_her = {"provider_id": off}
    taken = await record(engine, step(state, Status.ASSIGNED, Hold.TAKE, state_changes=to_her))
    assert taken.outcome is Outcome.UNAVAILABLE
    forced = await record(engine, step(state, Status.ASSIGNED, Hold.FORCE, state_changes=to_her))
    assert forced.outcome is Outcome.RECORDED
    assert await holder(engine, tenant, state) == "ora"


async def test_moving_is_a_swap_that_may_overlap_the_booking_s_own_old_time(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    start = future()
    state = await make_booking(engine, tenant, starts_at=start)
    half_later = start.replace(minute=30)
    moved = {"starts_at": half_later, "ends_at": half_later + (state.ends_at - state.starts_at)}
    result = await record(engine, step(state, Status.ASSIGNED, Hold.TAKE, state_changes=moved))
    assert result.outcome is Outcome.RECORDED
    assert (await stored(engine, state)).starts_at == half_later


async def test_releasing_gives_the_time_back(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    result = await record(engine, step(state, Status.CANCELLED, Hold.RELEASE))
    assert result.state is not None
    assert not result.state.holds_time
    assert await holder(engine, tenant, state) is None
    assert await stored(engine, state) == result.state


async def test_the_remark_s_text_becomes_the_reason_in_the_history(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    async with engine.begin() as conn:
        remark_id = await remarks.add(conn, tenant.business_id, state.booking_id, "the garage is flooded")
    await record(engine, step(state, Status.CANCELLED, Hold.RELEASE, remark_id=remark_id, reason="code"))
    assert (await history(engine, state))[-1]["reason"] == "the garage is flooded"


async def test_what_is_told_of_a_step_commits_with_it_and_is_told_once(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    state = await make_booking(engine, tenant)
    announced: list[Status] = []

    async def announce(conn: AsyncConnection, new_step: Step, after: BookingState) -> None:
        announced.append(after.status)
        await remarks.add(conn, new_step.after.business_id, new_step.after.booking_id, "told")

    new_step = step(state, Status.ASSIGNED)
    for _ in range(2):
        await record(engine, new_step, announce)
    assert announced == [Status.ASSIGNED]
    assert await count_remarks(engine, state) == 1


async def test_a_step_that_cannot_be_told_is_not_taken(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)

    async def fail(conn: AsyncConnection, new_step: Step, _after: BookingState) -> None:
        await remarks.add(conn, new_step.after.business_id, new_step.after.booking_id, "told")
        raise ConnectionError("the channel is away")

    with pytest.raises(ConnectionError):
        await record(engine, step(state, Status.CANCELLED, Hold.RELEASE), fail)
    assert await stored(engine, state) == state
    assert await holder(engine, tenant, state) == "ana"
    assert await count_remarks(engine, state) == 0


async def count_remarks(engine: AsyncEngine, state: BookingState) -> int:
    query = text("SELECT count(*) FROM remarks WHERE booking_id = :id")
    async with engine.connect() as conn:
        return int((await conn.execute(query, {"id": state.booking_id})).scalar_one())


async def test_another_tenant_s_step_finds_no_booking(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    foreign = state.model_copy(update={"business_id": (await make_tenant(engine)).business_id})
    with pytest.raises(NotFoundError):
        await record(engine, step(foreign, Status.CANCELLED, Hold.RELEASE))
    assert await stored(engine, state) == state
