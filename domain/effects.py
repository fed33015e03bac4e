"""Effects: what a booking causes in other systems. Each is one activity, on the task queue of its vendor.

An effect is planned in the transaction of its cause, so that it exists exactly when the cause is committed. Its
key makes it one however often it is planned, and its row is the record that people read.
"""

from datetime import timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Port(StrEnum):
    """A kind of system that bookings have effects in. A business has one of each, but any number of analytics."""

    EMAIL = "email"
    SMS = "sms"
    JOBS = "jobs"
    PAYMENTS = "payments"
    ANALYTICS = "analytics"
    STORAGE = "storage"
    WEBHOOKS = "webhooks"


class Vendor(StrEnum):
    """Whoever carries effects out; each has an adapter, and a task queue of its own."""

    SMTP = "smtp"
    SENDGRID = "sendgrid"
    KLAVIYO = "klaviyo"
    TWILIO = "twilio"
    SERVICETITAN = "servicetitan"
    STRIPE = "stripe"
    PAYJP = "payjp"
    GA4 = "ga4"
    META = "meta"
    GOOGLE_ADS = "google_ads"
    S3 = "s3"
    WEBHOOK = "webhook"
    """A business's own endpoint."""


CONSOLE: Final = "console"
"""Instead of a vendor where none is configured: the message stays in our own records."""

PORT_OF: Final = MappingProxyType(
    {
        Vendor.SMTP: Port.EMAIL,
        Vendor.SENDGRID: Port.EMAIL,
        Vendor.KLAVIYO: Port.EMAIL,
        Vendor.TWILIO: Port.SMS,
        Vendor.SERVICETITAN: Port.JOBS,
        Vendor.STRIPE: Port.PAYMENTS,
        Vendor.PAYJP: Port.PAYMENTS,
        Vendor.GA4: Port.ANALYTICS,
        Vendor.META: Port.ANALYTICS,
        Vendor.GOOGLE_ADS: Port.ANALYTICS,
        Vendor.S3: Port.STORAGE,
        Vendor.WEBHOOK: Port.WEBHOOKS,
    }
)


class EffectKind(StrEnum):
    """What is done; also the name of the activity that does it."""

    SEND_EMAIL = "send_email"
    SEND_SMS = "send_sms"
    CREATE_JOB = "create_job"
    UPDATE_JOB = "update_job"
    CANCEL_JOB = "cancel_job"
    AUTHORIZE_PAYMENT = "authorize_payment"
    CAPTURE_PAYMENT = "capture_payment"
    SETTLE_PAYMENT = "settle_payment"
    """After the end of the booking: refund what it does not cost."""
    SYNC_PAYMENT = "sync_payment"
    """Adopt what the gateway says, because it called."""
    REPORT_CONVERSION = "report_conversion"
    DELIVER_WEBHOOK = "deliver_webhook"


class EffectState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    """The last attempt failed; the next is at `next_attempt_at`."""
    DONE = "done"
    FAILED = "failed"
    """Given up, unless somebody retries it."""
    SKIPPED = "skipped"
    """Somebody has decided to do without it."""
    OBSOLETE = "obsolete"
    """There was nothing to do any more, or it must not be done: `last_error` says why."""


OPEN: Final = frozenset({EffectState.PENDING, EffectState.RUNNING, EffectState.RETRYING})
"""States in which it may still happen; the next with its sequence key waits until it is in none of them."""


class Urgency(IntEnum):
    """Temporal's priority of an effect within its queue: 1 goes first."""

    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4


URGENCY: Final = MappingProxyType(
    {
        EffectKind.CREATE_JOB: Urgency.CRITICAL,
        EffectKind.AUTHORIZE_PAYMENT: Urgency.CRITICAL,
        EffectKind.CAPTURE_PAYMENT: Urgency.CRITICAL,
        EffectKind.SETTLE_PAYMENT: Urgency.CRITICAL,
        EffectKind.SEND_EMAIL: Urgency.HIGH,
        EffectKind.SEND_SMS: Urgency.HIGH,
        EffectKind.DELIVER_WEBHOOK: Urgency.HIGH,
        EffectKind.UPDATE_JOB: Urgency.MEDIUM,
        EffectKind.CANCEL_JOB: Urgency.MEDIUM,
        EffectKind.SYNC_PAYMENT: Urgency.MEDIUM,
        EffectKind.REPORT_CONVERSION: Urgency.LOW,
    }
)


class SequenceKey(StrEnum):
    """Effects of one booking with the same key are carried out one after the other, as they were planned."""

    JOB = "job"
    PAYMENT = "payment"


class Planned(BaseModel):
    """An effect as it is planned. Its vendor is looked up when it is stored."""

    model_config = ConfigDict(frozen=True)

    kind: EffectKind
    port: Port
    key: str
    """The same in every retry and re-run; with the vendor, unique in the business."""
    sequence_key: SequenceKey | None = None
    subject: dict[str, Any] = {}
    """Its parameters: ids, codes and amounts, never personal data."""


class EffectRef(BaseModel):
    """The argument of an effect's activity."""

    model_config = ConfigDict(frozen=True)

    effect_id: UUID
    business_id: UUID
    round: int
    """Counts up with every retry by a person. Activities of an earlier round do nothing."""


class DueEffect(EffectRef):
    """An effect that is to be handed over, with what its activity is started by."""

    kind: EffectKind
    vendor: Vendor
    booking_id: UUID | None

    @property
    def ref(self) -> EffectRef:
        return EffectRef(effect_id=self.effect_id, business_id=self.business_id, round=self.round)


class VendorError(Exception):
    """A vendor did not do what it was asked.

    It never carries the vendor's text, which may quote people's data. Only codes go into records and logs.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        """Short and stable, as `rate_limited`, `timeout`, `http_503`, `card_declined`."""
        self.permanent = permanent
        """Whether trying again cannot help."""
        self.retry_after = retry_after
        """The pause that the vendor asks for, at least."""


class ObsoleteError(Exception):
    """There is nothing to do any more, or it must not be done; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseLostError(Exception):
    """The lease has lapsed. Another attempt may have begun, and this one must do nothing more."""


RATES: Final = MappingProxyType(
    {
        Vendor.SMTP: 50.0,
        Vendor.SENDGRID: 50.0,
        Vendor.KLAVIYO: 50.0,
        Vendor.TWILIO: 25.0,
        Vendor.SERVICETITAN: 8.0,
        Vendor.STRIPE: 15.0,
        Vendor.PAYJP: 2.0,
        Vendor.GA4: 200.0,
        Vendor.META: 100.0,
        Vendor.GOOGLE_ADS: 50.0,
        Vendor.WEBHOOK: 200.0,
    }
)
"""How many effects of one business a vendor is sent a second. An effect takes one to six calls; with six it stays
below the limits that the vendors document for an account."""
