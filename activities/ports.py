"""What the activities need of other people's systems: a Protocol for each kind, with the data that it takes.

The adapters in `activities/adapters/` implement them, one file per vendor; `worker/registry.py` wires them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from activities.vendor_calls import Account, Call
from domain.accounts import AccountMessageKind
from domain.attribution import Attribution
from domain.external import SourceAnswer
from domain.jobs import Job
from domain.payments import Charge

# --- messages -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccountMessage:
    """A message about an account, ready to be sent. Log nothing of it but its id."""

    id: UUID
    kind: AccountMessageKind
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class AccountMailer(Protocol):
    """Sends messages about accounts. They are the installation's own and belong to no business."""

    async def send(self, message: AccountMessage) -> None:
        """Send it. Any exception means that it was not sent; the retry is a message with another id."""


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail about a booking, ready to be sent. Log nothing of it but its ids."""

    message_id: str
    """Left part of `Message-ID` (RFC 5322), constant over all attempts so that mail systems drop duplicates."""
    kind: str
    """`confirmed`, `reminder`, …"""
    to: str = field(repr=False)
    to_name: str = field(repr=False)
    sender_name: str
    """The business; the sender's address is the integration's or the installation's."""
    reply_to: str | None = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    calendar: bytes | None = field(default=None, repr=False)
    """The iCalendar object (RFC 5545) to attach."""
    calendar_method: str | None = None
    """Its METHOD: `REQUEST` or `CANCEL` (RFC 5546)."""


class Mailer(Protocol):
    """Sends e-mails through one vendor."""

    async def send(self, call: Call, email: Email) -> str | None:
        """Send it, unless an earlier attempt did; returns the vendor's id.

        Raises:
            VendorError: it could not be sent.
        """


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text message about a booking, ready to be sent."""

    to: str = field(repr=False)
    """E.164."""
    body: str = field(repr=False)


class RecipientOptedOutError(Exception):
    """The recipient has told the vendor that they want no more texts from this sender."""


class SmsSender(Protocol):
    """Sends text messages through one vendor."""

    async def send(self, call: Call, text: TextMessage) -> str | None:
        """Send it, unless an earlier attempt did; returns the vendor's id.

        Raises:
            RecipientOptedOutError: the recipient has opted out.
            VendorError: it could not be sent.
        """


# --- payments -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One try at a booking's payment."""

    booking_id: UUID
    number: int
    """Number of the try, from 1."""
    amount: int
    """In the currency's minor unit."""
    currency: str
    """ISO 4217."""
    payer: str
    """The gateway's id of the payer."""
    method: str = field(repr=False)
    """The gateway's token of the customer's card or account."""
    off_session: bool = False
    """The customer is not present, and agreed to this when an earlier try was made."""


class DeclinedError(Exception):
    """The payment method was declined; `code` is the gateway's, or `invalid_method`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Gateway(Protocol):
    """A payment gateway, which keeps the cards. Amounts are in the currency's minor unit.

    A request that is repeated under the same call's key is carried out once, for as long as the vendor remembers
    keys; after that, `charges` tells what was done. Every method raises `VendorError` when it fails.
    """

    async def payer(self, call: Call, booking_id: UUID) -> str:
        """The gateway's id of the booking's payer, created for it without personal data."""

    async def charges(self, call: Call, payer: str) -> Sequence[Charge]:
        """All tries at this payer's payments in their current state, oldest first. Must not be delayed."""

    async def authorize(self, call: Call, request: ChargeRequest) -> Charge:
        """Authorise the amount, to be captured later.

        Raises:
            DeclinedError: the method was declined.
        """

    async def capture(self, call: Call, ref: str, amount: int) -> Charge:
        """Capture the authorised amount or a part of it; the rest is released."""

    async def void(self, call: Call, ref: str) -> None:
        """Release the authorisation, so that nobody can continue that try."""

    async def refund(self, call: Call, ref: str, amount: int) -> None:
        """Refund this part of the captured amount."""


# --- job management -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """Where the work is done."""

    street: str
    city: str
    region: str
    postal_code: str
    country: str
    """ISO 3166-1 alpha-2."""


@dataclass(frozen=True, slots=True)
class JobCustomer:
    """Whom the work is done for."""

    id: UUID
    name: str = field(repr=False)
    email: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    """E.164."""


@dataclass(frozen=True, slots=True)
class JobDetails:
    """A booking as the job system should have it."""

    booking_id: UUID
    customer: JobCustomer
    address: Address | None = field(repr=False)
    """None: at the business's own premises."""
    service_code: str
    starts_at: datetime
    ends_at: datetime
    summary: str = field(repr=False)


class JobManagement(Protocol):
    """The system in which a business manages its jobs: each accepted booking is one job there.

    All methods are idempotent and raise `VendorError` when they fail. Those that change something confirm the call
    right before they do.
    """

    async def find(self, account: Account, booking_id: UUID) -> Job | None:
        """The booking's job; of several, an open one."""

    async def find_all(self, account: Account, booking_ids: Sequence[UUID]) -> list[Job]:
        """All jobs of up to 50 bookings."""

    async def create(self, call: Call, details: JobDetails) -> str:
        """Create the job, with its customer and location where they are missing; returns the job's id."""

    async def change(self, call: Call, job: Job, details: JobDetails) -> None:
        """Make the job's time and summary match the details, if they do not."""

    async def cancel(self, call: Call, job: Job) -> None:
        """Cancel the job."""

    async def revive(self, call: Call, job: Job) -> None:
        """Undo the job's cancellation."""


# --- analytics ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conversion:
    """An accepted booking whose customer has consented to this report."""

    booking_id: UUID
    reference: str
    """Unique within the business; people read it out, and it grants no access."""
    happened_at: datetime
    booked_at: datetime
    value: Decimal
    """In the currency's major unit."""
    currency: str
    service: str
    """The service's code."""
    customer_id: UUID
    may_personalise: bool
    """The customer has agreed to marketing as well."""
    attribution: Attribution = field(repr=False)
    name: str = field(repr=False)
    email: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    """E.164."""


class Analytics(Protocol):
    """Reports conversions to one vendor of advertising or analytics. Personal data leaves here only as digests."""

    async def report(self, call: Call, conversion: Conversion) -> str | None:
        """Report it; returns the vendor's id. The vendor counts repeated reports once.

        Raises:
            ObsoleteError: `too_late`, or `no_click` when nothing ties it to an advertisement.
            VendorError: it could not be reported.
        """


# --- webhooks and external calendars --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One signed request."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class WebhookSender(Protocol):
    """Delivers webhooks to the endpoints that businesses name."""

    async def deliver(self, call: Call, webhook: WebhookRequest) -> None:
        """Deliver it; returns once the endpoint has accepted it.

        Raises:
            VendorError: `gone`, `redirected`, `http_<status>`, `rate_limited`, `timeout`, `unreachable`,
                `tls_failed`, `reply_lost`, or `address_refused`. `gone` and `address_refused` are permanent.
        """


@dataclass(frozen=True, slots=True)
class CalendarQuery:
    """The time window to ask an external calendar for."""

    url: str
    token: str | None = field(repr=False)
    starts_at: datetime
    ends_at: datetime


class CalendarSource(Protocol):
    """An external system that knows when providers are busy and open."""

    async def fetch(self, query: CalendarQuery) -> SourceAnswer:
        """Its answer for the window, within a bounded time.

        Raises:
            SourceFailedError: there is no usable answer; `code` says why.
        """
