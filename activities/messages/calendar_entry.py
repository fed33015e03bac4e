"""The appointment as an entry for the customer's calendar: iCalendar (RFC 5545), sent by iTIP (RFC 5546)."""

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
class Entry:
    """A file to go with an e-mail."""

    method: str
    content: bytes


def uid_of(booking_id: UUID) -> str:
    """The same for all entries of a booking: a calendar knows by it which to change."""
    return f"{booking_id}@holdfast"


def entry_for(letter: MessageContext, *, sender: str, now: datetime) -> Entry | None:
    """The entry that goes with an e-mail to a customer, if any does; `sender` is the address that it comes from.

    SEQUENCE is the booking's version, which rises with every step: what comes late changes no later entry.
    """
    facts, method = letter.facts, _method_of(letter)
    if method is None:
        return None
    event = Event()
    event.add("uid", uid_of(letter.booking_id))
    event.add("sequence", letter.booking_version)
    event.add("dtstamp", now.astimezone(UTC))
    # In UTC: one appointment needs no rules of a zone, and every calendar shows it in its owner's.
    event.add("dtstart", facts.starts_at.astimezone(UTC))
    event.add("dtend", facts.ends_at.astimezone(UTC))
    event.add("summary", one_line(f"{facts.service_name}, {facts.business_name}"))
    event.add("description", facts.reference)
    event.add("status", _STATUS.get(facts.status, "TENTATIVE"))
    event.add("organizer", _organizer(facts.business_name, sender), encode=False)
    event.add("attendee", _attendee(letter), encode=False)
    return Entry(method, _calendar(method, event))


def _method_of(letter: MessageContext) -> str | None:
    """A cancellation takes out what was put in: of what was never confirmed there is nothing in a calendar."""
    occasion = letter.occasion
    if (occasion.audience, occasion.channel) != (Audience.CUSTOMER, Channel.EMAIL):
        return None
    if occasion.kind in WITH_ENTRY:
        return REQUEST
    return CANCEL if occasion.kind is NoticeKind.CANCELLED and letter.has_entry else None


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


def _attendee(letter: MessageContext) -> vCalAddress:
    """They asked for the appointment, so nobody waits for their answer."""
    attendee = vCalAddress(f"mailto:{letter.email}")
    if letter.facts.customer_name:
        attendee.params["CN"] = letter.facts.customer_name
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    return attendee
