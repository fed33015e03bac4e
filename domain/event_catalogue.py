"""Every type of event, what its data looks like, and who hears it besides the business's own desk.

`domain.events` names the types of booking steps. This is the whole list, from which the schemas, the AsyncAPI
document and the page of documentation are made. Data are ids, times, amounts and codes: no name, address or text.
A schema only grows: `dev.contract` refuses a member that is taken away or changes its type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class _Data(BaseModel):
    """What an event says. On the wire members are in camelCase."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class BookingData(_Data):
    """A booking as the step left it."""

    booking_id: UUID
    customer_id: UUID
    provider_id: UUID | None
    """Who has it now; null: nobody."""
    former_provider_id: UUID | None = None
    """Whom the booking has left with this event."""
    start_time: datetime
    end_time: datetime
    status: str


class ReminderData(_Data):
    """An appointment that people are reminded of."""

    booking_id: UUID
    customer_id: UUID
    provider_id: UUID | None
    start_time: datetime


class PaymentData(_Data):
    """What happened to a booking's payment, and about how much of it."""

    booking_id: UUID
    customer_id: UUID | None = None
    amount_minor: int
    """In the currency's smallest unit."""
    currency: str
    """ISO 4217."""
    vendor: str
    gateway_ref: str | None
    """The gateway's own id of the payment."""


class HoldData(_Data):
    """Time that somebody holds while they make up their mind."""

    hold_id: UUID
    service_id: UUID
    provider_id: UUID
    start_time: datetime
    end_time: datetime
    expires_at: datetime | None = None
    booking_id: UUID | None = None
    """The booking that it became."""


class NotificationData(_Data):
    """A message on its way to somebody."""

    message_id: UUID
    booking_id: UUID
    kind: str
    """What it is about, as `confirmed` or `reminder`."""
    audience: Literal["customer", "provider", "owner"]
    channel: Literal["email", "sms"]
    reason: str | None = None
    """Why it failed or was not sent."""


class BusinessData(_Data):
    """The business itself."""

    business_id: UUID


class ServiceData(_Data):
    """A service of the business."""

    business_id: UUID
    service_id: UUID


class ProviderData(_Data):
    """A provider of the business."""

    business_id: UUID
    provider_id: UUID


class AvailabilityData(_Data):
    """Hours, areas or absences of the business, or of one of its providers."""

    business_id: UUID
    provider_id: UUID | None = None
    """None: it is the business's own."""
    date: str | None = None
    """Of an exception: the day, `YYYY-MM-DD`."""
    time_off_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One type of event."""

    name: str
    summary: str
    data: type[_Data]
    for_customers: bool = False
    """Whether the booking's customer hears it, and whoever has its link."""
    for_providers: bool = False
    """Whether the provider who has the booking hears it."""


def _booking(name: str, summary: str, *, desk_only: bool = False) -> EventSpec:
    for_parties = not desk_only
    return EventSpec(f"scheduling.booking.{name}", summary, BookingData, for_parties, for_parties)


def _business(name: str, summary: str, data: type[_Data]) -> EventSpec:
    return EventSpec(f"business.{name}", summary, data)


_NOTIFICATIONS: Final = (
    ("queued", "A message is written and waits to be sent."),
    ("sent", "The vendor has taken a message."),
    ("delivered", "A message has arrived."),
    ("failed", "A message was not taken, bounced, or was not sent; `reason` says why."),
)

_ALL: Final = (
    _booking("created", "A booking was made."),
    _booking("pending", "A booking looks for a provider again."),
    _booking("assigned", "A booking is offered to a provider."),
    _booking("accepted", "The provider has accepted."),
    _booking("rejected", "The provider has rejected, or let the offer lapse."),
    _booking("started", "The appointment has begun."),
    _booking("completed", "The appointment is over."),
    _booking("no_show", "Somebody did not come."),
    _booking("cancelled", "The booking is cancelled."),
    _booking("rescheduled", "The booking has another time."),
    _booking("assignment_failed", "No provider was free; it is tried again.", desk_only=True),
    _booking("flagged", "A person must look at the booking.", desk_only=True),
    _booking("payment_asked", "The customer is asked for another payment."),
    _booking("paid", "The booking is paid, as far as it must be before it goes on."),
    EventSpec("scheduling.booking.reminder.due", "A reminder is due.", ReminderData, True, True),
    EventSpec("scheduling.hold.created", "Time is held.", HoldData),
    EventSpec("scheduling.hold.redeemed", "A hold became a booking.", HoldData),
    EventSpec("scheduling.hold.released", "A hold was given back.", HoldData),
    EventSpec("scheduling.hold.expired", "A hold ran out.", HoldData),
    EventSpec("payment.authorized", "The gateway has promised the money.", PaymentData, True),
    EventSpec("payment.declined", "The gateway has declined.", PaymentData, True),
    EventSpec("payment.captured", "The money is taken.", PaymentData, True),
    EventSpec("payment.refunded", "Money goes back.", PaymentData, True),
    *(
        EventSpec(f"notification.{channel}.{state}", summary, NotificationData)
        for channel in ("email", "sms")
        for state, summary in _NOTIFICATIONS
    ),
    _business("business.created", "The business was founded.", BusinessData),
    _business("business.changed", "The business's record has changed.", BusinessData),
    _business("service.created", "There is a new service.", ServiceData),
    _business("service.changed", "A service has changed.", ServiceData),
    _business("provider.created", "There is a new provider.", ProviderData),
    _business("provider.changed", "A provider has changed.", ProviderData),
    _business("availability.hours_changed", "Weekly hours have changed.", AvailabilityData),
    _business("availability.exception_changed", "The hours of one day have changed.", AvailabilityData),
    _business("availability.time_off_added", "Somebody is away.", AvailabilityData),
    _business("availability.time_off_removed", "An absence is taken back.", AvailabilityData),
    _business("availability.areas_changed", "The areas that are served have changed.", AvailabilityData),
    _business("availability.imported", "Hours, areas or absences have changed by an import.", AvailabilityData),
)

CATALOGUE: Final[Mapping[str, EventSpec]] = MappingProxyType({spec.name: spec for spec in _ALL})
"""Every type, by its name."""


def schema_of(spec: EventSpec) -> dict[str, Any]:
    """The JSON Schema of a type's data, as it is published: readers must expect members that are new."""
    schema = spec.data.model_json_schema() | {"title": f"Data of {spec.name}"}
    schema.pop("additionalProperties")
    for member in schema["properties"].values():
        member.pop("title", None)
    return schema
