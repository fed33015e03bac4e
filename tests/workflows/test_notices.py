"""Notices: who is told what, once, and nothing but the cancellation after a cancellation."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from activities.adapters.console import ConsoleMessages
from activities.messages import MessageActivities
from domain import plan
from domain.commands import Accept, Cancel, Complete, Reschedule, Start
from domain.events import BOOKING_REMINDER_DUE
from domain.lifecycle import Status
from domain.notices import NoticeBatch, notices_of_reminder, notices_of_step
from domain.policies import Backoff, Intake, Policy
from domain.steps import StepKind
from tests.factories import Tenant, future, make_tenant
from tests.workflows.conftest import Live
from tests.workflows.live import ADMIN, CUSTOMER, LiveBooking


def _told(messages: list[Any]) -> list[tuple[str, str]]:
    """Kind and audience of what was sent."""
    return [(message["kind"], message["audience"]) for message in messages if message["state"] == "sent"]


async def test_everybody_hears_of_each_step_that_concerns_them_once(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.until_messages("offered", 1)
    await booking.give(Accept(actor=ADMIN))
    await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(96)))
    await booking.give(Start(actor=ADMIN))
    await booking.give(Complete(actor=ADMIN))
    await booking.until_closed()
    messages = await booking.messages()
    assert _told(messages) == [
        ("received", "customer"),
        ("offered", "provider"),
        ("confirmed", "customer"),
        ("rescheduled", "customer"),
        ("rescheduled", "provider"),
        ("completed", "customer"),
    ]
    assert len({message["key"] for message in messages}) == len(messages)


async def test_the_workflow_ends_only_when_the_cancellation_has_been_told(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    await booking.until_closed()
    assert _told(await booking.messages())[-2:] == [("cancelled", "customer"), ("cancelled", "provider")]


async def test_the_owner_hears_when_a_booking_needs_attention(live: Live, engine: AsyncEngine) -> None:
    policy = Policy(intake=Intake.DISPATCH, backoff=Backoff(attempts=1))
    tenant = await make_tenant(engine, policy=policy, providers={})
    booking = await live(tenant, provider=None)
    await booking.until_messages("needs_attention", 1)
    assert _told(await booking.messages()) == [("received", "customer"), ("needs_attention", "owner")]


async def test_what_was_still_on_its_way_when_the_booking_was_cancelled_is_not_sent(
    live: Live, tenant: Tenant
) -> None:
    booking = await live(tenant)
    offered = await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    cancelled = await booking.until_closed()
    late = offered.model_copy(update={"version": 99})
    reminder = plan.reminders(offered)[0]
    notices = notices_of_step(StepKind.TRANSITION, None, late) + notices_of_reminder(offered, reminder)
    before = len(await booking.messages())
    await _send(booking, notices)
    new = (await booking.messages())[before:]
    assert {(message["kind"], message["state"]) for message in new} == {
        ("offered", "skipped"),
        ("reminder", "skipped"),
    }
    assert BOOKING_REMINDER_DUE not in [event["type"] for event in await booking.events()]
    assert await booking.stored() == cancelled


async def test_a_reminder_of_a_time_that_was_given_up_meanwhile_is_not_sent(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(96)))
    await _send(booking, notices_of_reminder(before, plan.reminders(before)[0]))
    states = [message["state"] for message in await booking.messages() if message["kind"] == "reminder"]
    assert states == ["skipped", "skipped"]


async def test_a_batch_sent_again_after_a_crash_tells_nobody_twice(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    state = await booking.until_status(Status.ASSIGNED)
    await booking.until_messages("offered", 1)
    before = await booking.messages()
    await _send(booking, notices_of_step(StepKind.TRANSITION, None, state))
    assert await booking.messages() == before
    reminder = notices_of_reminder(state, plan.reminders(state)[0])
    await _send(booking, reminder)
    await _send(booking, reminder)
    assert len(await booking.messages()) == len(before) + 2
    assert [event["type"] for event in await booking.events()].count(BOOKING_REMINDER_DUE) == 1


async def _send(booking: LiveBooking, notices: list[Any]) -> None:
    """Run the activity as a late delivery of the workflow would."""
    batch = NoticeBatch(booking_id=booking.booking_id, business_id=booking.business_id, notices=tuple(notices))
    sender = MessageActivities(booking.engine, ConsoleMessages())
    await ActivityEnvironment().run(sender.send_notices, batch)
