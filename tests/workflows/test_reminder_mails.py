"""Reminder mails: none for a cancelled booking, and one for a moved booking at its new time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from dev.vendors.mail_server import MailServer
from domain.commands import Accept, Cancel, Reschedule
from domain.effects import Vendor
from domain.lifecycle import Status
from domain.policies import Policy
from runtime.settings import Settings
from tests.support.businesses.messages import MessagingBusiness
from tests.support.factories import future, make_tenant
from tests.support.simulator import Simulator
from tests.support.workflows.live import ADMIN, Live, LiveBooking

AN_HOUR = timedelta(hours=1)
CASEY = "casey@example.com"
_PATIENCE_SECONDS = 20


@pytest.fixture
async def business(
    engine: AsyncEngine, settings: Settings, vendors: Simulator
) -> AsyncIterator[MessagingBusiness]:
    server = vendors.vendor(Vendor.SMTP)
    assert isinstance(server, MailServer)
    tenant = await make_tenant(engine, policy=Policy(reminder_minutes=(60,)))
    async with server.listening() as port:
        business = MessagingBusiness.of(engine, settings, vendors, tenant, port)
        await business.connect_mail()
        await business.change_customer(email=CASEY)
        yield business


async def test_a_cancelled_booking_sends_no_reminder_that_was_still_to_come(
    live: Live, business: MessagingBusiness
) -> None:
    booking = await live(business.tenant)
    starts_at = await _accepted(booking)
    await booking.skip_to(starts_at - AN_HOUR - timedelta(minutes=1))
    await booking.give(Cancel(actor=ADMIN))
    await booking.until_closed()
    await _settled(business)
    assert _subjects(business)[-1].startswith("Cancelled: ")
    assert _reminders(business) == []


async def test_a_moved_booking_sends_its_reminder_once_at_the_new_time(
    live: Live, business: MessagingBusiness
) -> None:
    booking = await live(business.tenant, starts_at=future(72))
    old = await _accepted(booking)
    new = old + timedelta(days=3)
    await booking.give(Reschedule(actor=ADMIN, starts_at=new))
    await booking.skip_to(old)
    await _settled(business)
    assert _reminders(business) == [], "the old time has come and gone"

    await booking.skip_to(new - AN_HOUR)
    await booking.until_messages("reminder", 2)
    await _settled(business)
    [reminder] = _reminders(business)
    local = new.astimezone(ZoneInfo("America/New_York"))
    assert f"{local:%B} {local.day}" in reminder


async def _accepted(booking: LiveBooking) -> datetime:
    await booking.until_status(Status.ASSIGNED)
    return (await booking.give(Accept(actor=ADMIN))).starts_at


async def _settled(business: MessagingBusiness) -> None:
    """Wait until every message that was decided on has gone, or may not."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while any(message["state"] == "queued" for message in await business.messages()):
            await asyncio.sleep(0.02)


def _subjects(business: MessagingBusiness) -> list[str]:
    """Of the mails to the customer."""
    return [str(mail.message["Subject"]) for mail in business.mails() if mail.to == [CASEY]]


def _reminders(business: MessagingBusiness) -> list[str]:
    return [subject for subject in _subjects(business) if subject.startswith("Reminder: ")]
