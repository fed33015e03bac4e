"""The appointment as an entry for the customer's calendar: iCalendar (RFC 5545) with iTIP methods (RFC 5546)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress

from db.repositories.message_facts import MessageContext
from domain.lifecycle import Status
from domain.messages import WITH_ENTRY, Channel, one_line
from domain.notifications import Audience, NoticeKind

REQUEST: Final = "REQUEST"
CANCEL: Final = "CANCEL"
_STATUS: Final = MappingProxyType({Status.ACCEPTED: "CONFIRMED", Status.CANCELLED: "CANCELLED"})


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """The iCalendar file attached to an e-mail, and its METHOD."""

    method: str
    content: bytes


def uid_of(booking_id: UUID) -> str:
    """The UID of all entries of a booking, by which a calendar finds the entry to change."""
    return f"{booking_id}@holdfast"


def entry_for(message: MessageContext, *, sender: str, now: datetime) -> CalendarEntry | None:
    """The calendar entry for this e-mail; None when it carries none. `sender` is the e-mail's sender address.

    SEQUENCE is the booking's version, which rises with every step, so a late e-mail does not undo a newer entry.
    """
    facts, method = message.facts, _method_of(message)
    if method is None:
        return None
    event = Event()
    event.add("uid", uid_of(message.booking_id))
    event.add("sequence", message.booking_version)
    event.add("dtstamp", now.astimezone(UTC))
    # In UTC: a single appointment needs no zone rules, and every calendar shows it in its owner's zone.
    event.add("dtstart", facts.starts_at.astimezone(UTC))
    event.add("dtend", facts.ends_at.astimezone(UTC))
    event.add("summary", one_line(f"{facts.service_name}, {facts.business_name}"))
    event.add("description", facts.reference)
    event.add("status", _STATUS.get(facts.status, "TENTATIVE"))
    event.add("organizer", _organizer(facts.business_name, sender), encode=False)
    event.add("attendee", _attendee(message), encode=False)
    return CalendarEntry(method, _calendar(method, event))


def _method_of(message: MessageContext) -> str | None:
    """CANCEL only removes an entry that an earlier e-mail added: an unconfirmed booking has none."""
    occasion = message.occasion
    if (occasion.audience, occasion.channel) != (Audience.CUSTOMER, Channel.EMAIL):
        return None
    if occasion.kind in WITH_ENTRY:
        return REQUEST
    return CANCEL if occasion.kind is NoticeKind.CANCELLED and message.has_entry else None


def _calendar(method: str, event: Event) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Holdfast//Bookings//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _organizer(name: str, sender: str) -> vCalAddress:
    organizer = vCalAddress(f"mailto:{sender}")
    organizer.params["CN"] = one_line(name)
    return organizer


def _attendee(message: MessageContext) -> vCalAddress:
    """The customer, who has already accepted by booking."""
    attendee = vCalAddress(f"mailto:{message.email}")
    if message.facts.customer_name:
        attendee.params["CN"] = message.facts.customer_name
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    return attendee
