"""Concurrent commands: two at once, a duplicate, one before the start, and signals in between."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import TimeSkipper

from api.engine.gateway import EngineGateway
from domain.booking import BookingState
from domain.commands import Accept, BookingCommand, Cancel, Override, Reject, Reschedule, Start
from domain.errors import InvalidTransitionError
from domain.lifecycle import Status
from domain.steps import BookingRef
from runtime.ids import new_id
from tests.support.factories import Tenant, future, make_booking
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import ADMIN, CUSTOMER, Live, LiveBooking, acting_as


@pytest.mark.parametrize(
    "rivals",
    [
        (Accept(actor=ADMIN), Reject(actor=ADMIN)),
        (Reject(actor=ADMIN), Accept(actor=ADMIN)),
        (Accept(actor=ADMIN), Accept(actor=ADMIN)),
        (Cancel(actor=CUSTOMER), Cancel(actor=ADMIN)),
    ],
    ids=lambda rivals: " and ".join(str(command.kind) for command in rivals),
)
async def test_of_two_answers_at_once_exactly_one_wins_and_the_other_hears_of_it(
    live: Live, tenant: Tenant, rivals: tuple[BookingCommand, BookingCommand]
) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    # As the API sends them: a command whose workflow closes under it is sent again, and judged by what it finds.
    gateway = EngineGateway(booking.client, timedelta(seconds=20))
    ref = BookingRef(booking_id=booking.booking_id, business_id=booking.business_id)
    outcomes = await asyncio.gather(
        *(gateway.send_command(ref, command, str(new_id())) for command in rivals), return_exceptions=True
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, BookingState)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, InvalidTransitionError)]
    assert [state.version for state in won] == [before.version + 1]
    assert [refusal.extra["current_status"] for refusal in lost] == [won[0].status]
    await check_invariants(booking)


async def test_two_moves_at_once_are_made_one_after_the_other(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    moves = [Reschedule(actor=ADMIN, starts_at=future(hours)) for hours in (90, 100)]
    states = await asyncio.gather(*(booking.give(move) for move in moves))
    assert sorted(state.version for state in states) == [before.version + 1, before.version + 2]
    last = max(states, key=lambda state: state.version)
    assert (await check_invariants(booking)).starts_at == last.starts_at


async def test_a_command_sent_again_under_its_id_is_applied_once(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    move = Reschedule(actor=ADMIN, starts_at=future(96))
    together = await asyncio.gather(*(booking.give(move, update_id="the same") for _ in range(3)))
    again = await booking.give(move, update_id="the same")
    assert {state.version for state in (*together, again)} == {before.version + 1}
    assert (await booking.stored()).version == before.version + 1


async def test_a_command_that_reopened_a_booking_and_is_sent_again_is_applied_once(
    live: Live, tenant: Tenant
) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    await booking.until_closed()
    correction = Override(actor=ADMIN, status=Status.COMPLETED)
    first = await booking.give_with_start(correction, update_id="the same")
    await booking.until_closed()
    assert await booking.give_with_start(correction, update_id="the same") == first
    assert await booking.stored() == first


async def test_a_command_that_overtakes_the_start_starts_the_workflow_and_finds_an_offer(
    engine: AsyncEngine, skipper: TimeSkipper, worker: None, tenant: Tenant
) -> None:
    state = await make_booking(engine, tenant)
    booking = LiveBooking(engine, skipper.client, skipper, state.business_id, state.booking_id)
    accepted = await booking.give_with_start(Accept(actor=acting_as(tenant, "ana")))
    assert [status for status, _ in await booking.steps()] == ["pending", "assigned", "accepted"]
    assert await check_invariants(booking) == accepted
    await booking.give(Cancel(actor=ADMIN))


async def test_signals_from_the_temporal_ui_answer_for_the_provider_as_an_admin(
    live: Live, tenant: Tenant
) -> None:
    accepted, rejected = await live(tenant, provider="ana"), await live(tenant, provider="ben")
    for booking, signal, status in (
        (accepted, "accept", Status.ACCEPTED),
        (rejected, "reject", Status.REJECTED),
    ):
        await booking.until_status(Status.ASSIGNED)
        await booking.handle.signal(signal)
        await booking.until_status(status)
        assert (await booking.history())[-1]["actor_role"] == "admin"


async def test_a_signal_that_comes_too_late_changes_nothing(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    await booking.handle.signal("reject")
    await booking.handle.signal("accept", Accept(actor=acting_as(tenant, "ben")))
    # Commands are served in turn: the next one is answered after both signals were.
    started = await booking.give(Start(actor=ADMIN))
    assert (started.status, started.version) == (Status.IN_PROGRESS, accepted.version + 1)
    await check_invariants(booking)
