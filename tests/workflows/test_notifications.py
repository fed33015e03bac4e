"""Notifications: who gets what, once, and only the cancellation after a cancellation."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from activities.booking import BookingActivities
from domain import timeline
from domain.booking import BookingState
from domain.commands import Accept, Cancel, Complete, Override, Reschedule, Start
from domain.events import BOOKING_REMINDER_DUE
from domain.lifecycle import Status
from domain.notifications import reminder_due
from domain.policies import Backoff, Intake, Policy
from tests.support.factories import Tenant, future, make_tenant
from tests.support.workflows.live import ADMIN, CUSTOMER, OWNER, Live, LiveBooking


def _notified(messages: list[Any]) -> list[tuple[str, str]]:
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
    assert _notified(messages) == [
        ("received", "customer"),
        ("offered", "provider"),
        ("confirmed", "customer"),
        ("rescheduled", "customer"),
        ("rescheduled", "provider"),
        ("completed", "customer"),
    ]
    assert len({message["key"] for message in messages}) == len(messages)


async def test_a_step_and_what_is_told_of_it_are_committed_together(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    assert _notified(await booking.messages())[-2:] == [("cancelled", "customer"), ("cancelled", "provider")]


async def test_the_owner_hears_when_a_booking_needs_attention(live: Live, engine: AsyncEngine) -> None:
    policy = Policy(intake=Intake.DISPATCH, backoff=Backoff(attempts=1))
    tenant = await make_tenant(engine, policy=policy, providers={})
    booking = await live(tenant, provider=None)
    await booking.until_messages("needs_attention", 1)
    assert _notified(await booking.messages()) == [("received", "customer"), ("needs_attention", "owner")]


async def test_a_reminder_that_comes_behind_a_cancellation_is_not_sent(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    await booking.until_closed()
    await _remind(booking, before)
    assert _notified(await booking.messages())[-2:] == [("cancelled", "customer"), ("cancelled", "provider")]
    assert await _reminder_events(booking) == 0


async def test_a_reminder_of_a_time_that_was_given_up_meanwhile_is_not_sent(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    before = await booking.until_status(Status.ASSIGNED)
    await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(96)))
    await _remind(booking, before)
    assert "reminder" not in [kind for kind, _ in _notified(await booking.messages())]
    assert await _reminder_events(booking) == 0


async def test_a_reminder_sent_again_after_a_crash_reaches_nobody_twice(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    state = await booking.until_status(Status.ASSIGNED)
    await _remind(booking, state)
    await _remind(booking, state)
    assert _notified(await booking.messages())[2:] == [("reminder", "customer"), ("reminder", "provider")]
    assert await _reminder_events(booking) == 1


async def _remind(booking: LiveBooking, state: BookingState) -> None:
    """Send the first reminder of this state, as the workflow does when its time has come."""
    activities = BookingActivities(booking.engine)
    due = reminder_due(state, timeline.reminders(state)[0], timeline.reminders(state)[0].at)
    await ActivityEnvironment().run(activities.send_reminder, due)


async def _reminder_events(booking: LiveBooking) -> int:
    return [event["type"] for event in await booking.events()].count(BOOKING_REMINDER_DUE)


async def test_whoever_had_and_whoever_gets_a_booking_are_told_by_who_has_it(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant, provider="ana")
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    ana, ben = tenant.providers["ana"], tenant.providers["ben"]
    await booking.give(Reschedule(actor=OWNER, starts_at=future(96), provider_id=ben))
    await booking.give(Cancel(actor=OWNER))
    await booking.give_with_start(Override(actor=ADMIN, status=Status.ACCEPTED))
    heard = [(m["kind"], m["provider_id"]) for m in await booking.messages() if m["audience"] == "provider"]
    assert heard == [
        ("offered", ana),
        ("cancelled", ana),
        ("confirmed", ben),
        ("cancelled", ben),
        ("confirmed", ben),
    ]
