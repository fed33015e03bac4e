"""Reminders: sent once, on time, about the current appointment."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.commands import Accept, Cancel, Reschedule
from domain.events import BOOKING_REMINDER_DUE
from domain.lifecycle import Status
from domain.policies import Backoff, Policy
from tests.support.factories import Tenant, future, make_tenant
from tests.support.workflows.live import ADMIN, Live, LiveBooking

A_DAY, TEN_MINUTES = timedelta(days=1), timedelta(minutes=10)


async def test_reminds_a_day_and_ten_minutes_before_the_start_and_never_twice(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    starts_at = await _accepted(booking)
    await booking.skip_to(starts_at - A_DAY - timedelta(minutes=1))
    assert await _reminded(booking) == []

    await booking.skip_to(starts_at - A_DAY)
    await booking.until_messages("reminder", 2)
    assert await _reminded(booking) == _to_both(booking, starts_at, 1440)

    await booking.skip_to(starts_at - TEN_MINUTES)
    await booking.until_messages("reminder", 4)
    await booking.skip_to(starts_at + timedelta(hours=1))
    assert await _reminded(booking) == _to_both(booking, starts_at, 1440) + _to_both(booking, starts_at, 10)
    assert await booking.timers_until("reminder") == [starts_at - A_DAY, starts_at - TEN_MINUTES]
    assert await _reminder_events(booking) == 2


async def test_a_moved_booking_is_reminded_of_its_new_time_and_no_more_of_the_old(
    live: Live, tenant: Tenant
) -> None:
    booking = await live(tenant)
    old = await _accepted(booking)
    await booking.skip_to(old - A_DAY)
    await booking.until_messages("reminder", 2)

    new = old + timedelta(days=3)
    await booking.give(Reschedule(actor=ADMIN, starts_at=new))
    await booking.skip_to(old)
    assert await _reminded(booking) == _to_both(booking, old, 1440)

    await booking.skip_to(new - A_DAY)
    await booking.until_messages("reminder", 4)
    assert await _reminded(booking) == _to_both(booking, old, 1440) + _to_both(booking, new, 1440)


async def test_a_cancelled_booking_is_not_reminded_of(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    starts_at = await _accepted(booking)
    await booking.skip_to(starts_at - A_DAY - timedelta(minutes=1))
    await booking.give(Cancel(actor=ADMIN))
    ended = await booking.until_closed()
    assert ended.status is Status.CANCELLED
    assert await _reminded(booking) == []
    assert await _reminder_events(booking) == 0


async def test_reminds_as_the_business_has_set_it(live: Live, engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, policy=Policy(reminder_minutes=(30, 120)))
    booking = await live(tenant)
    starts_at = await _accepted(booking)
    await booking.skip_to(starts_at - timedelta(minutes=30))
    await booking.until_messages("reminder", 4)
    assert await _reminded(booking) == _to_both(booking, starts_at, 120) + _to_both(booking, starts_at, 30)


async def test_a_booking_made_on_the_day_is_reminded_of_only_what_still_lies_ahead(
    live: Live, tenant: Tenant
) -> None:
    booking = await live(tenant, starts_at=future(hours=6))
    starts_at = await _accepted(booking)
    await booking.skip_to(starts_at - TEN_MINUTES)
    await booking.until_messages("reminder", 2)
    assert await _reminded(booking) == _to_both(booking, starts_at, 10)


async def test_a_customer_is_reminded_of_a_booking_that_nobody_has_accepted_yet(
    live: Live, engine: AsyncEngine
) -> None:
    policy = Policy(reminder_minutes=(60,), backoff=Backoff(attempts=1))
    tenant = await make_tenant(engine, policy=policy, providers={})
    booking = await live(tenant, provider=None)
    starts_at = (await booking.stored()).starts_at
    await booking.skip_to(starts_at - timedelta(hours=1))
    await booking.until_messages("reminder", 1)
    assert await _reminded(booking) == _to_both(booking, starts_at, 60)[:1]


async def _accepted(booking: LiveBooking) -> datetime:
    """Bring the booking to `accepted` and return its start."""
    await booking.until_status(Status.ASSIGNED)
    return (await booking.give(Accept(actor=ADMIN))).starts_at


async def _reminded(booking: LiveBooking) -> list[str]:
    return [message["key"] for message in await booking.messages() if message["kind"] == "reminder"]


def _to_both(booking: LiveBooking, starts_at: datetime, minutes: int) -> list[str]:
    key = f"reminder/{booking.booking_id}/{starts_at:%Y%m%dT%H%M%SZ}/{minutes}"
    return [f"{key}/customer", f"{key}/provider"]


async def _reminder_events(booking: LiveBooking) -> int:
    return [event["type"] for event in await booking.events()].count(BOOKING_REMINDER_DUE)
