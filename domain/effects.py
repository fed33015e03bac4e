"""What a booking sets off in the outside world: each effect is one activity, on a queue of the vendor's.

An effect is planned in the transaction of what causes it, so that there is one exactly when its cause is
committed. Its key makes it one however often it is planned, and its row is the record that people read.
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
"""In place of a vendor where none is configured: the message goes no further than our own records."""

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
    """After the end of the booking: give back what it does not cost."""
    SYNC_PAYMENT = "sync_payment"
    """Take over what the gateway says, because it called."""
    REPORT_CONVERSION = "report_conversion"
    DELIVER_WEBHOOK = "deliver_webhook"


class EffectState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    RETRYING = "retrying"
    """It failed, and is tried again at `next_attempt_at`."""
    DONE = "done"
    FAILED = "failed"
    """For good, unless somebody has it retried."""
    SKIPPED = "skipped"
    """Somebody has decided to do without."""
    OBSOLETE = "obsolete"
    """When its turn came there was nothing to do any more, or it may not be done: `last_error` says why."""


OPEN: Final = frozenset({EffectState.PENDING, EffectState.RUNNING, EffectState.RETRYING})
"""States in which it may still happen; the next of its lane waits for that."""


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


class Lane(StrEnum):
    """Effects of one booking and lane are carried out one after the other, as they were planned."""

    JOB = "job"
    PAYMENT = "payment"


class Planned(BaseModel):
    """An effect as it is planned; which vendor carries it out is looked up as it is stored."""

    model_config = ConfigDict(frozen=True)

    kind: EffectKind
    port: Port
    key: str
    """Constant over all retries and re-runs; unique in the business, together with the vendor."""
    lane: Lane | None = None
    subject: dict[str, Any] = {}
    """What it is about: ids, codes and amounts, never personal data."""


class EffectRef(BaseModel):
    """The argument of an effect's activity."""

    model_config = ConfigDict(frozen=True)

    effect_id: UUID
    business_id: UUID
    round: int
    """Counts up each time somebody has it retried: what was started before then does nothing any more."""


class HandOver(EffectRef):
    """An effect whose turn it is, with what its activity is started by."""

    kind: EffectKind
    vendor: Vendor
    booking_id: UUID | None

    @property
    def ref(self) -> EffectRef:
        return EffectRef(effect_id=self.effect_id, business_id=self.business_id, round=self.round)


class VendorError(Exception):
    """A vendor did not do what it was asked.

    Its text is never the vendor's, which may quote people's data: only codes go into records and logs.
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
        """Trying again cannot mend it."""
        self.retry_after = retry_after
        """The vendor asks for at least so long a pause."""


class ObsoleteError(Exception):
    """There is nothing to do any more, or it may not be done; `reason` is a code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LeaseLostError(Exception):
    """Another attempt may have begun: this one must do nothing more."""


class RetryProfile(BaseModel):
    """How it is tried again: the waits after the first failure, the second, and so on; then it has failed."""

    model_config = ConfigDict(frozen=True)

    name: str
    timeout: timedelta
    """What one attempt may take, all in all."""
    waits: tuple[timedelta, ...]

    def wait_after(self, attempt: int, retry_after: timedelta | None = None) -> timedelta | None:
        """How long to wait after attempt number `attempt` (from 1) has failed; none: it is given up."""
        if attempt > len(self.waits):
            return None
        return max(self.waits[attempt - 1], retry_after or timedelta())


def growing(first: timedelta, longest: timedelta, patience: timedelta) -> tuple[timedelta, ...]:
    """Waits that double from `first` up to `longest`, for as long as `patience` lasts."""
    waits = [first]
    while sum(waits, timedelta()) < patience:
        waits.append(min(waits[-1] * 2, longest))
    return tuple(waits)


_STANDARD_WEBHOOKS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: about 76 hours."""

MESSAGE: Final = RetryProfile(
    name="message",
    timeout=timedelta(seconds=30),
    waits=growing(timedelta(seconds=2), timedelta(minutes=10), timedelta(hours=24)),
)
JOB: Final = RetryProfile(
    name="job",
    timeout=timedelta(seconds=45),
    waits=growing(timedelta(seconds=1), timedelta(minutes=15), timedelta(days=7)),
)
PAYMENT: Final = RetryProfile(
    name="payment",
    timeout=timedelta(seconds=45),
    waits=growing(timedelta(seconds=1), timedelta(minutes=30), timedelta(days=7)),
)
ANALYTICS: Final = RetryProfile(
    name="analytics",
    timeout=timedelta(seconds=20),
    waits=growing(timedelta(seconds=10), timedelta(hours=1), timedelta(hours=48)),
)
WEBHOOK: Final = RetryProfile(name="webhook", timeout=timedelta(seconds=25), waits=_STANDARD_WEBHOOKS)

PROFILES: Final = MappingProxyType(
    {
        Port.EMAIL: MESSAGE,
        Port.SMS: MESSAGE,
        Port.JOBS: JOB,
        Port.PAYMENTS: PAYMENT,
        Port.ANALYTICS: ANALYTICS,
        Port.WEBHOOKS: WEBHOOK,
    }
)

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
"""Effects a second of one business that a vendor is sent. An effect takes one to six calls: with the most of them
it stays below what the vendors document for an account."""
