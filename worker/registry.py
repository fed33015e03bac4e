"""The composition root: which adapter stands behind which port."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.accounts import AccountMessages
from activities.adapters.console_mail import ConsoleMail
from activities.adapters.http_slots import HttpSlots
from activities.adapters.mail_folder import MailFolder
from activities.booking import BookingActivities
from activities.external_calendars import DueSources, ExternalCalendars
from activities.ports.account_mail import AccountMail
from domain.effects import CONSOLE, Vendor
from runtime.secrets import Secrets
from runtime.settings import Settings

Activity = Callable[..., Any]


def booking_activities(engine: AsyncEngine, settings: Settings) -> list[Activity]:
    """Short transactions of our own: local activities, run by the worker that runs the workflow."""
    booking = BookingActivities(engine, mails_by=Vendor.SMTP if settings.smtp_url else CONSOLE)
    due = DueSources(engine)
    return [booking.load_booking, booking.record_step, booking.send_reminder, due.list_due_sources]


def sync_activities(engine: AsyncEngine, settings: Settings) -> list[Activity]:
    """Calls to systems outside: those that businesses name, and whatever sends mail."""
    source = HttpSlots(allow_loopback=settings.outbound_allow_loopback)
    calendars = ExternalCalendars(engine, source, Secrets(settings.secrets_key))
    letters = AccountMessages(engine, _account_mail(settings), settings.public_url)
    return [calendars.refresh_external_calendar, letters.send_account_message]


def effect_activities(engine: AsyncEngine, settings: Settings) -> dict[Vendor, list[Activity]]:
    """What carries out the effects of each vendor."""
    return {}


def _account_mail(settings: Settings) -> AccountMail:
    if settings.mail_folder:
        return MailFolder(Path(settings.mail_folder), settings.public_url)
    return ConsoleMail()
