"""A workflow takes over steps that only PostgreSQL has, within seconds."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from api.engine.gateway import EngineGateway
from domain.booking import BookingState
from domain.commands import (
    Accept,
    BookingCommand,
    Cancel,
    Complete,
    NoShow,
    Override,
    Reject,
    Reschedule,
    Start,
)
from domain.errors import RepeatedCommandError
from domain.lifecycle import Party, Status, is_terminal
from domain.steps import BookingRef
from runtime.ids import new_id
from tests.support.factories import Tenant, future
from tests.support.lost_steps import commit_behind_the_workflow, unconfirmed
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import ADMIN, CUSTOMER, Live, LiveBooking, acting_as
from worker.consistency_check import WorkflowConsistencyCheck
from workflows.launch import catch_up_if_older

_PATIENCE = 20.0

Make = Callable[[Tenant], BookingCommand]

LOST: dict[str, tuple[Status, Make]] = {
    "accept": (Status.ASSIGNED, lambda tenant: Accept(actor=acting_as(tenant, "ana"))),
    "reject": (Status.ASSIGNED, lambda tenant: Reject(actor=acting_as(tenant, "ana"))),
    "reschedule": (Status.ASSIGNED, lambda _: Reschedule(actor=CUSTOMER, starts_at=future(99))),
    "cancel": (Status.ACCEPTED, lambda _: Cancel(actor=CUSTOMER)),
    "start": (Status.ACCEPTED, lambda tenant: Start(actor=acting_as(tenant, "ana"))),
    "complete": (Status.IN_PROGRESS, lambda tenant: Complete(actor=acting_as(tenant, "ana"))),
    "provider's no-show": (Status.IN_PROGRESS, lambda _: NoShow(actor=ADMIN, party=Party.PROVIDER)),
    "customer's no-show": (Status.IN_PROGRESS, lambda _: NoShow(actor=ADMIN, party=Party.CUSTOMER)),
    "override": (Status.ASSIGNED, lambda _: Override(actor=ADMIN, status=Status.COMPLETED)),
}
_ON_THE_WAY: tuple[tuple[Status, Make], ...] = (
    (Status.ASSIGNED, lambda tenant: Accept(actor=acting_as(tenant, "ana"))),
    (Status.ACCEPTED, lambda tenant: Start(actor=acting_as(tenant, "ana"))),
)


async def reach(booking: LiveBooking, tenant: Tenant, status: Status) -> None:
    """Take a booking with Ana to this status."""
    await booking.until_status(Status.ASSIGNED)
    for before, make in _ON_THE_WAY:
        if before is status:
            return
        await booking.give(make(tenant))


async def until_known(booking: LiveBooking, stored: BookingState) -> None:
    """Wait until the workflow knows at least this state, or has ended with it."""

    async def knows() -> bool:
        description = await booking.handle.describe()
        if description.status is WorkflowExecutionStatus.COMPLETED:
            return True
        return (await booking.queried()).version >= stored.version

    async with asyncio.timeout(_PATIENCE):
        while not await knows():
            await asyncio.sleep(0.05)


def commit(booking: LiveBooking, command: BookingCommand, **how: Any) -> Any:
    return commit_behind_the_workflow(booking.engine, booking.business_id, booking.booking_id, command, **how)


@pytest.mark.parametrize("name", LOST)
async def test_a_step_that_temporal_lost_is_taken_over_without_anybody_asking(
    live: Live, tenant: Tenant, name: str
) -> None:
    status, make = LOST[name]
    booking = await live(tenant)
    await reach(booking, tenant, status)
    stored = await commit(booking, make(tenant))
    await until_known(booking, stored)
    if is_terminal(stored.status):
        assert await booking.until_closed() == stored
    else:
        await check_invariants(booking)
    async with asyncio.timeout(_PATIENCE):
        while await unconfirmed(booking.engine, booking.booking_id):
            await asyncio.sleep(0.05)


async def test_a_lost_rejection_leads_to_the_next_attempt(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await commit(booking, Reject(actor=acting_as(tenant, "ana")))
    await booking.until(lambda state: state.status is Status.REJECTED)
    await until_known(booking, await booking.stored())
    await booking.skip(timedelta(seconds=2))
    again = await booking.until_status(Status.ASSIGNED)
    assert again.provider_id == tenant.providers["ben"]


async def test_a_lost_command_that_is_sent_again_is_applied_once_whichever_comes_first(
    live: Live, tenant: Tenant
) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    command = Accept(actor=acting_as(tenant, "ana"), command_id="the same")
    stored = await commit(booking, command)
    answer = await booking.give(command, update_id="the same")
    assert answer == stored
    await until_known(booking, stored)
    again = await booking.handle.execute_update("accept", command, id="another turn", result_type=BookingState)
    assert again == stored
    await check_invariants(booking)


async def test_a_repeated_command_is_not_answered_with_what_came_after_it(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    command = Accept(actor=acting_as(tenant, "ana"), command_id="the same")
    await until_known(booking, await commit(booking, command))
    await booking.give(Start(actor=ADMIN))
    gateway = EngineGateway(booking.client, timedelta(seconds=20))
    ref = BookingRef(booking_id=booking.booking_id, business_id=booking.business_id)
    with pytest.raises(RepeatedCommandError):
        await gateway.send_command(ref, command, "another turn")
    await check_invariants(booking)


@pytest.mark.parametrize("name", LOST)
async def test_the_audit_finds_what_nobody_noted(live: Live, client: Client, tenant: Tenant, name: str) -> None:
    status, make = LOST[name]
    booking = await live(tenant)
    await reach(booking, tenant, status)
    stored = await commit(booking, make(tenant), is_noted=False)
    async with asyncio.timeout(_PATIENCE):
        while (await booking.queried()).version < stored.version:  # what visibility shows may be a moment old
            await WorkflowConsistencyCheck(client, booking.engine).signal_stale_workflows()
    await until_known(booking, stored)


async def test_a_workflow_that_knows_what_is_stored_is_asked_without_a_trace(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    stored = await booking.until_status(Status.ASSIGNED)
    await until_known(booking, stored)
    before = (await booking.handle.fetch_history()).events
    for version in (stored.version - 1, stored.version):
        assert not await catch_up_if_older(booking.client, booking.booking_id, version)
    after = (await booking.handle.fetch_history()).events
    assert [e.event_type for e in after] == [e.event_type for e in before]
    assert not await catch_up_if_older(booking.client, new_id(), 1)  # no workflow runs, and none is started


async def test_an_answered_command_leaves_nothing_to_be_told(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    assert await unconfirmed(booking.engine, booking.booking_id) == 0
    await booking.handle.signal("accept")
    await booking.until_status(Status.ACCEPTED)
    assert await unconfirmed(booking.engine, booking.booking_id) == 0
