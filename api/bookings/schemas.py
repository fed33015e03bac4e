"""Shapes of bookings on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from api.shapes import (
    CountryCode,
    CurrencyCode,
    Email,
    Flag,
    In,
    Language,
    Line,
    Money,
    Phone,
    ReasonText,
    Text,
    Zone,
)
from domain.assignment import Choice
from domain.lifecycle import Party, Role, Status
from domain.payments import PaymentGate
from domain.steps import StepKind
from domain.timeline import Deadline, Phase, Reminder
from domain.times import Moment

_MAX_ATTRIBUTES = 40


class CustomerIn(In):
    name: Line
    email: Email | None = None
    phone: Phone | None = None
    sms_opt_in: Flag = False
    sms_consent: Annotated[Text, Field(max_length=4000)] = ""
    """The words that they agreed to with `sms_opt_in`, as they were shown; they are kept with the consent."""
    locale: Language | None = None
    """The language to write to them in (BCP 47); null: the business's."""
    timezone: Zone | None = None
    """The zone to tell them times in (IANA); null: the booking's."""


class AddressIn(In):
    line1: Line
    city: Line
    region: Annotated[Text, Field(max_length=100)] | None = None
    postal_code: Annotated[Text, Field(max_length=20)] | None = None
    country: Annotated[CountryCode, Field(description="ISO 3166-1 alpha-2")]


AttributionKey = Annotated[Text, Field(max_length=60)]
AttributionValue = Annotated[Text, Field(max_length=500)]


PaymentToken = Annotated[
    Text, Field(min_length=1, max_length=255, description="The gateway's token of a card or account.")
]


class PaymentMethodIn(In):
    """How a booking is paid. Never a card's number: the gateway's own form makes a token of that."""

    method: PaymentToken


class MoneyIn(In):
    amount_minor: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
    """In the currency's minor unit (cents)."""
    currency: CurrencyCode


class BookingIn(In):
    """A booking to make. Times carry an offset; ids may be slugs and codes."""

    business_id: Annotated[Text, Field(min_length=1, max_length=63, description="The business's id or slug.")]
    service_id: Annotated[Text, Field(min_length=1, max_length=63, description="The service's id or code.")]
    starts_at: Moment
    provider_id: UUID | None = None
    preferred_provider_id: UUID | None = None
    """Whom you would like; with the strategy `preferred_first` they are asked first, if they are free."""
    hold_id: UUID | None = None
    """The hold of the same service and time that this booking redeems, at the price when it was held."""
    expected_price: MoneyIn | None = None
    """The price that you have seen: the booking is refused with `price_changed` should it cost something else."""
    customer: CustomerIn | None = None
    address: AddressIn | None = None
    notes: Annotated[Text, Field(max_length=2000)] | None = None
    attribution: Annotated[dict[AttributionKey, AttributionValue], Field(max_length=_MAX_ATTRIBUTES)] | None = None
    """Where the customer came from. Vendors of analytics know part of it (`domain.attribution`); all is kept."""
    payment: PaymentMethodIn | None = None
    """For a service that asks for payment; it can be given later too, by `POST …/payment`."""


class ManageOut(BaseModel):
    """The link by which a booking is managed without an account."""

    token: str
    """Sent as `Authorization: Bearer …` it opens this booking and nothing else."""
    expires_at: datetime


class BookingOut(BaseModel):
    id: UUID
    reference: str
    business_id: UUID
    service_id: UUID
    provider_id: UUID | None
    customer_id: UUID | None
    """None for those who have no account."""
    status: Status
    starts_at: datetime
    ends_at: datetime
    timezone: str
    price: Money
    needs_attention: bool
    payment: PaymentGate | None
    """Of a booking that is to be paid for: whether it waits for that."""
    version: int
    created_at: datetime
    updated_at: datetime
    manage: ManageOut | None
    """Of a booking that a guest or an API key makes, and of one that a guest is shown."""


class BookingPage(BaseModel):
    items: list[BookingOut]
    next_cursor: str | None


class ActorOut(BaseModel):
    role: Role
    id: UUID | None
    """None for the engine, for guests, and for whatever is shown to guests."""


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


class CancellationOut(BaseModel):
    """What the customer's cancellation would cost."""

    free_until: datetime | None
    """From then on it costs `fee`; none: it never does. A move after it does not make cancelling free again."""
    fee: Money
    is_due: bool
    """Whether cancelling now costs `fee`."""


class NextOut(BaseModel):
    """What happens next to a booking, and when."""

    status: Status
    phase: Phase
    deadline: Deadline | None
    attempt: int
    max_attempts: int
    next_attempt_at: datetime | None
    refused_provider_ids: list[UUID]
    choice: Choice | None
    """Why the present provider; none while nobody was chosen, and for guests."""
    cancellation: CancellationOut
    movable_until: datetime | None
    """Until then the customer may move it; none: nobody may move it now."""
    reminders: list[Reminder]
    needs_attention: bool


class NoBody(In):
    """A command without particulars; an empty object or no body at all."""


class ReasonIn(In):
    reason: ReasonText | None = None


class NoShowIn(In):
    party: Party


class RescheduleIn(In):
    starts_at: Moment
    provider_id: UUID | None = None


class AssignIn(In):
    provider_id: UUID


class OverrideIn(In):
    status: Status
    reason: ReasonText


class InvalidTransition(BaseModel):
    """The extra members of an `invalid_transition` problem."""

    current_status: Status
    allowed: list[Status]
