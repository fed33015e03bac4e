"""What an admin does to a booking's workflow in the Temporal UI is safe: Cancel, Terminate and Reset."""

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowExecutionStatus

from domain.commands import Accept, Assign, Cancel, Override, Reject, Reschedule, Start
from domain.lifecycle import Status
from domain.policies import Policy
from tests.support.factories import Tenant, future, make_tenant
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import ADMIN, CUSTOMER, Live


async def test_cancel_is_a_cancellation_by_an_admin(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    await booking.handle.cancel()
    state = await booking.until_closed()
    assert state == await check_invariants(booking)
    last = (await booking.history())[-1]
    assert (last["new_status"], last["reason"], last["actor_role"]) == (
        "cancelled",
        "cancelled_in_temporal",
        "admin",
    )
    assert (await booking.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert len(await booking.until_messages("cancelled", 2)) == 2


async def test_cancel_right_behind_the_start_is_one_too(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.handle.cancel()
    assert (await booking.until_closed()).status is Status.CANCELLED
    assert (await booking.steps())[-1] == ("cancelled", "cancelled_in_temporal")
    await check_invariants(booking)


async def test_a_terminated_booking_is_flagged_told_of_and_goes_on(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    await booking.handle.terminate("by mistake")
    flagged = await booking.until(lambda state: state.needs_attention)
    assert (flagged.status, flagged.version) == (Status.ASSIGNED, before.version + 1)
    assert (await booking.steps())[-1] == ("assigned", "workflow_closed")
    assert (await booking.until_messages("needs_attention", 1))[0]["audience"] == "owner"
    assert (await booking.handle.describe()).status is WorkflowExecutionStatus.RUNNING
    accepted = await booking.give(Accept(actor=ADMIN))
    assert (accepted.status, accepted.needs_attention) == (Status.ACCEPTED, False)
    await check_invariants(booking)


async def test_a_terminated_booking_that_looked_for_a_provider_can_be_given_to_one(
    live: Live, engine: AsyncEngine
) -> None:
    tenant = await make_tenant(engine)
    booking = await live(tenant, provider="ana")
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Reject(actor=ADMIN))
    await booking.handle.terminate("by mistake")
    flagged = await booking.until(lambda state: state.needs_attention)
    assert flagged.next_attempt_at is None
    state = await booking.give(Assign(actor=ADMIN, provider_id=tenant.providers["ben"]))
    assert (state.status, state.needs_attention) == (Status.ASSIGNED, False)
    await check_invariants(booking)


async def test_a_command_right_behind_a_terminate_brings_the_workflow_back(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    await booking.handle.terminate("by mistake")
    accepted = await booking.give_with_start(Accept(actor=ADMIN))
    assert accepted.status is Status.ACCEPTED
    assert accepted.version in {before.version + 1, before.version + 2}  # recovery may have come first
    await check_invariants(booking)


async def test_a_booking_that_has_ended_stays_ended_when_its_workflow_is_reset(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    ended, steps = await booking.until_closed(), await booking.steps()
    await booking.reset()
    assert await booking.until_closed() == ended
    assert await booking.steps() == steps
    assert await check_invariants(booking) == ended


async def test_a_reset_booking_resumes_from_the_history_that_is_ahead_of_it(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    await booking.reset()
    # Served in turn: behind everything that the reset run did before it.
    started = await booking.give(Start(actor=ADMIN))
    assert (started.status, started.version) == (Status.IN_PROGRESS, accepted.version + 1)
    await check_invariants(booking)


async def test_a_reset_does_not_carry_out_a_command_a_second_time(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(96)))
    moved = await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(90)))
    await booking.reset()  # the server hands the run every update again that came after the point of the reset
    accepted = await booking.give(Accept(actor=ADMIN))
    assert await booking.steps() == [
        ("pending", None),
        ("assigned", None),
        ("assigned", None),
        ("assigned", None),
        ("accepted", None),
    ]
    assert (accepted.version, accepted.starts_at) == (moved.version + 1, moved.starts_at)
    await check_invariants(booking)


async def test_a_reset_does_not_repeat_an_override_of_long_ago(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    for command in (
        Accept(actor=ADMIN),
        Override(actor=ADMIN, status=Status.ASSIGNED),
        Accept(actor=ADMIN),
    ):
        before = await booking.give(command)
    await booking.reset()
    started = await booking.give(Start(actor=ADMIN))
    assert started.version == before.version + 1
    await check_invariants(booking)


async def test_a_reset_booking_still_keeps_its_appointments_with_time(live: Live, engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, policy=Policy(reminder_minutes=(60,)))
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    await booking.reset()
    await booking.until_quiet()
    await booking.skip_to(accepted.starts_at)
    reminded = await booking.until_messages("reminder", 2)
    assert {(message["audience"], message["state"]) for message in reminded} == {
        ("customer", "sent"),
        ("provider", "sent"),
    }
    assert await booking.stored() == accepted
