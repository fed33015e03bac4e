"""Messages about a booking: kinds, template variables, and whether a message may still be sent."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from domain.dates import date_format_for, zone_label
from domain.languages import LAST_RESORT
from domain.lifecycle import HAS_PROVIDER, Status
from domain.links import without_links
from domain.notifications import TOLD_BY_SMS, Audience, Notice, NoticeKind, still_due
from domain.texts import without_controls
from domain.zones import zone_named


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class MessageState(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    """The vendor has accepted it."""
    DELIVERED = "delivered"
    OPENED = "opened"
    BOUNCED = "bounced"
    FAILED = "failed"
    """The vendor did not accept it; `error` says why."""
    SUPPRESSED = "suppressed"
    """It was deliberately not sent; `error` says why."""


class Suppressed(StrEnum):
    """Why a message is not sent."""

    NO_LONGER_TRUE = "no_longer_true"
    """The booking has changed since: another time, another provider, or its end."""
    NO_ADDRESS = "no_address"
    NO_CONSENT = "no_consent"
    """No consent to texts, or a refusal of e-mails."""
    OPTED_OUT = "opted_out"
    """The recipient has told the vendor to stop."""


AUDIENCES: Final = MappingProxyType(
    {
        NoticeKind.RECEIVED: (Audience.CUSTOMER,),
        NoticeKind.OFFERED: (Audience.PROVIDER,),
        NoticeKind.CONFIRMED: (Audience.CUSTOMER, Audience.PROVIDER),
        NoticeKind.RESCHEDULED: (Audience.CUSTOMER, Audience.PROVIDER),
        NoticeKind.COMPLETED: (Audience.CUSTOMER,),
        NoticeKind.CANCELLED: (Audience.CUSTOMER, Audience.PROVIDER),
        NoticeKind.NEEDS_ATTENTION: (Audience.OWNER,),
        NoticeKind.REMINDER: (Audience.CUSTOMER, Audience.PROVIDER),
    }
)
"""The recipients of each kind."""


WITH_ENTRY: Final = (NoticeKind.CONFIRMED, NoticeKind.RESCHEDULED)
"""E-mails to a customer with a calendar entry for the appointment."""
SENT_STATES: Final = (MessageState.SENT, MessageState.DELIVERED, MessageState.OPENED)


@dataclass(frozen=True, slots=True, order=True)
class Occasion:
    """A kind of message to one audience through one channel. Each has a template in every language."""

    kind: NoticeKind
    audience: Audience
    channel: Channel


OCCASIONS: Final = tuple(
    Occasion(kind, audience, channel)
    for kind, audiences in AUDIENCES.items()
    for audience in audiences
    for channel in Channel
    if channel is Channel.EMAIL or kind in TOLD_BY_SMS
)


@dataclass(frozen=True, slots=True)
class Template:
    """A template in one language."""

    language: str
    subject: str | None
    """Of an e-mail."""
    body: str
    """Plain text."""
    html: str | None = None
    """Of an e-mail; None: generated from the text."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The data that a message can mention."""

    audience: Audience
    business_name: str
    business_locale: str
    business_timezone: str
    reference: str
    status: Status
    starts_at: datetime
    ends_at: datetime
    booking_timezone: str
    service_name: str
    provider_name: str | None
    provider_timezone: str | None
    customer_name: str
    customer_locale: str | None
    customer_timezone: str | None
    minutes_before: int | None = None

    def __post_init__(self) -> None:
        """Clean the customer's name once for all renderings: subject, `To`, calendar entry, text."""
        object.__setattr__(self, "customer_name", display_name(self.customer_name))

    def without_own_links(self) -> "Facts":
        """The facts without links in the business's own names."""
        return replace(
            self,
            business_name=display_name(self.business_name),
            service_name=display_name(self.service_name),
            provider_name=None if self.provider_name is None else display_name(self.provider_name),
        )

    def preferred_languages(self) -> list[str | None]:
        """The reader's languages, best first."""
        customers = [self.customer_locale] if self.audience is Audience.CUSTOMER else []
        return [*customers, self.business_locale, LAST_RESORT]

    def in_language(self, tag: str) -> "Facts":
        """The facts for a reader of this language (BCP 47)."""
        if self.audience is Audience.CUSTOMER:
            return replace(self, customer_locale=tag)
        return replace(self, business_locale=tag)

    def timezone(self) -> str:
        """The reader's time zone."""
        by_audience = {
            Audience.CUSTOMER: self.customer_timezone,
            Audience.PROVIDER: self.provider_timezone,
            Audience.OWNER: self.business_timezone,
        }
        return by_audience[self.audience] or self.booking_timezone


VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "business.name": "the business's name",
        "booking.reference": "the reference that people read out",
        "booking.status": "the status's code, as `accepted`",
        "booking.starts": "date and time of the start, in the reader's language and time zone",
        "booking.ends": "the same of the end",
        "booking.date": "the date of the start",
        "booking.start_time": "the time of day of the start",
        "booking.end_time": "the time of day of the end",
        "booking.zone": "the time zone that these are in, as `CET`",
        "service.name": "the service's name",
        "provider.name": "the provider's name; empty as long as there is none",
        "customer.name": "the customer's name; empty when there is a link in it",
        "minutes_before": "of a reminder: how many minutes before the start it is meant to come",
    }
)
"""The variables of templates, and what they stand for."""


def variables(facts: Facts, tag: str) -> dict[str, str | int]:
    """The values of `VARIABLES` for a reader of this language (BCP 47)."""
    formats, zone = date_format_for(tag), zone_named(facts.timezone())
    starts, ends = facts.starts_at.astimezone(zone), facts.ends_at.astimezone(zone)
    return {
        "business.name": one_line(facts.business_name),
        "booking.reference": facts.reference,
        "booking.status": facts.status,
        "booking.starts": formats.moment(starts),
        "booking.ends": formats.moment(ends),
        "booking.date": formats.date(starts.date()),
        "booking.start_time": formats.time(starts.time()),
        "booking.end_time": formats.time(ends.time()),
        "booking.zone": zone_label(starts),
        "service.name": one_line(facts.service_name),
        "provider.name": one_line(facts.provider_name or ""),
        "customer.name": facts.customer_name,
        "minutes_before": "" if facts.minutes_before is None else facts.minutes_before,
    }


def display_name(name: str) -> str:
    """A name as messages show it: one line, without links."""
    return one_line(without_links(name))


def one_line(name: str) -> str:
    """The name without line breaks and control characters, which have a meaning in mails and calendars."""
    return " ".join(without_controls(name).split())


# --- may it be sent -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a message announced about a booking when it was planned."""

    kind: NoticeKind
    audience: Audience
    starts_at: datetime | None
    provider_id: UUID | None
    """The recipient, if it is a provider."""


@dataclass(frozen=True, slots=True)
class BookingSnapshot:
    """The booking's state when the message is to be sent."""

    status: Status
    starts_at: datetime
    provider_id: UUID | None
    needs_attention: bool


def is_still_true(announcement: Announcement, now: BookingSnapshot, at: datetime) -> bool:
    """Whether a message is still true at `at`, given the booking's state.

    About a cancelled booking, only the cancellation is sent. A message about a former time, or to a
    provider who no longer has the booking, is not sent; the one that tells them so is.
    """
    if announcement.kind is NoticeKind.CANCELLED:
        return now.status is Status.CANCELLED or has_lost_it(announcement, now)
    if now.status is Status.CANCELLED:
        return False
    if announcement.kind is NoticeKind.NEEDS_ATTENTION:
        return now.needs_attention
    if not _is_for_this_appointment(announcement, now):
        return False
    if announcement.kind is NoticeKind.REMINDER:
        return _reminds(announcement, now, at)
    return now.status in _TRUE_IN.get(announcement.kind, frozenset(Status))


_CONFIRMED: Final = frozenset({Status.ACCEPTED, Status.IN_PROGRESS, Status.COMPLETED})
_TRUE_IN: Final = MappingProxyType(
    {
        NoticeKind.OFFERED: frozenset({Status.ASSIGNED}),
        NoticeKind.CONFIRMED: _CONFIRMED,
        NoticeKind.COMPLETED: frozenset({Status.COMPLETED}),
    }
)


def has_lost_it(announcement: Announcement, now: BookingSnapshot) -> bool:
    """Whether the message is to a provider who no longer has the booking, although it is not cancelled."""
    if announcement.provider_id is None or now.status is Status.CANCELLED:
        return False
    return now.provider_id != announcement.provider_id or now.status not in HAS_PROVIDER


def _is_for_this_appointment(announcement: Announcement, now: BookingSnapshot) -> bool:
    same_time = announcement.starts_at is None or announcement.starts_at == now.starts_at
    same_provider = announcement.provider_id is None or announcement.provider_id == now.provider_id
    return same_time and same_provider


def _reminds(announcement: Announcement, now: BookingSnapshot, at: datetime) -> bool:
    starts_at = announcement.starts_at or now.starts_at
    notice = Notice(key="", kind=announcement.kind, audience=announcement.audience, starts_at=starts_at)
    return still_due(notice, now.status, now.starts_at, at)


def suppression_reason(
    channel: Channel, audience: Audience, address: str | None, consent: bool | None
) -> Suppressed | None:
    """Why a message must not be sent, if so. `consent` is the latest for this channel; None: none was given.

    An e-mail about one's own booking needs no consent, but a refusal is respected. A text needs consent (47 CFR
    64.1200), except to the business's staff.
    """
    if not address:
        return Suppressed.NO_ADDRESS
    if audience is not Audience.CUSTOMER:
        return None
    agreed = consent is True if channel is Channel.SMS else consent is not False
    return None if agreed else Suppressed.NO_CONSENT
