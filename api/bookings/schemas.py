"""Shapes of bookings on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field

from api.businesses.schemas import Money
from domain.lifecycle import Party, Role, Status
from domain.plan import Deadline, Phase, Reminder
from domain.steps import StepKind
from domain.times import Moment

_MAX_ATTRIBUTES = 40


def _e164(value: str) -> str:
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException as error:
        raise ValueError("not a phone number; write it with its country code, as +1 212 555 0100") from error
    if not phonenumbers.is_possible_number(number):
        raise ValueError("no phone number has this many digits in this country")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _lower(value: str) -> str:
    return value.lower()


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    return value


Text = Annotated[str, AfterValidator(_without_nul)]
Phone = Annotated[Text, Field(max_length=40), AfterValidator(_e164)]
Email = Annotated[EmailStr, AfterValidator(_lower)]
Line = Annotated[Text, Field(min_length=1, max_length=200)]
ReasonText = Annotated[Text, Field(min_length=1, max_length=1000)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class CustomerIn(_In):
    name: Line
    email: Email | None = None
    phone: Phone | None = None
    sms_opt_in: bool = False


class AddressIn(_In):
    line1: Line
    city: Line
    region: Annotated[Text, Field(max_length=100)] | None = None
    postal_code: Annotated[Text, Field(max_length=20)] | None = None
    country: Annotated[str, Field(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2")]


AttributionKey = Annotated[Text, Field(max_length=60)]
AttributionValue = Annotated[Text, Field(max_length=500)]


class BookingIn(_In):
    """A booking to make. Times carry an offset; ids may be slugs and codes."""

    business_id: Annotated[Text, Field(min_length=1, max_length=63, description="The business's id or slug.")]
    service_id: Annotated[Text, Field(min_length=1, max_length=63, description="The service's id or code.")]
    starts_at: Moment
    provider_id: UUID | None = None
    customer: CustomerIn | None = None
    address: AddressIn | None = None
    notes: Annotated[Text, Field(max_length=2000)] | None = None
    attribution: Annotated[dict[AttributionKey, AttributionValue], Field(max_length=_MAX_ATTRIBUTES)] | None = None


class BookingOut(BaseModel):
    id: UUID
    reference: str
    business_id: UUID
    service_id: UUID
    provider_id: UUID | None
    customer_id: UUID
    status: Status
    starts_at: datetime
    ends_at: datetime
    timezone: str
    price: Money
    needs_attention: bool
    version: int
    created_at: datetime
    updated_at: datetime


class BookingPage(BaseModel):
    items: list[BookingOut]
    next_cursor: str | None


class ActorOut(BaseModel):
    role: Role
    id: UUID | None


class HistoryItem(BaseModel):
    sequence: int
    kind: StepKind
    old_status: Status | None
    new_status: Status
    actor: ActorOut
    reason: str | None
    provider_id: UUID | None
    occurred_at: datetime


class History(BaseModel):
    items: list[HistoryItem]


class NextOut(BaseModel):
    """What happens next to a booking, and when."""

    status: Status
    phase: Phase
    deadline: Deadline | None
    attempt: int
    max_attempts: int
    next_attempt_at: datetime | None
    refused_provider_ids: list[UUID]
    reminders: list[Reminder]
    needs_attention: bool


class NoBody(_In):
    """A command without particulars; an empty object or no body at all."""


class ReasonIn(_In):
    reason: ReasonText | None = None


class NoShowIn(_In):
    party: Party


class RescheduleIn(_In):
    starts_at: Moment
    provider_id: UUID | None = None


class AssignIn(_In):
    provider_id: UUID


class OverrideIn(_In):
    status: Status
    reason: ReasonText


class InvalidTransition(BaseModel):
    """The extra members of an `invalid_transition` problem."""

    current_status: Status
    allowed: list[Status]
