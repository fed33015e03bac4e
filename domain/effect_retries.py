"""When an effect is tried again, and when it is given up: decided here and nowhere else.

Others carry the decision out. The runner writes the wait into the effect's row and passes it to Temporal. The
relay makes it the retry policy of the activity, and hands over again what is overdue.
"""

from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel, ConfigDict

from domain.effects import PORT_OF, Port, Vendor


class RetryProfile(BaseModel):
    """The waits after the first failure, the second, and so on. After the last of them the effect has failed."""

    model_config = ConfigDict(frozen=True)

    name: str
    timeout: timedelta
    """The longest that one attempt may take."""
    waits: tuple[timedelta, ...]


def exponential_waits(first: timedelta, longest: timedelta, total: timedelta) -> tuple[timedelta, ...]:
    """Waits that double from `first` up to `longest`, until they add up to `total`."""
    waits = [first]
    while sum(waits, timedelta()) < total:
        waits.append(min(waits[-1] * 2, longest))
    return tuple(waits)


_STANDARD_WEBHOOKS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: about 76 hours."""

MESSAGE: Final = RetryProfile(
    name="message",
    timeout=timedelta(seconds=30),
    waits=exponential_waits(timedelta(seconds=2), timedelta(minutes=10), timedelta(hours=24)),
)
JOB: Final = RetryProfile(
    name="job",
    timeout=timedelta(seconds=45),
    waits=exponential_waits(timedelta(seconds=1), timedelta(minutes=15), timedelta(days=7)),
)
PAYMENT: Final = RetryProfile(
    name="payment",
    timeout=timedelta(seconds=45),
    waits=exponential_waits(timedelta(seconds=1), timedelta(minutes=30), timedelta(days=7)),
)
ANALYTICS: Final = RetryProfile(
    name="analytics",
    timeout=timedelta(seconds=20),
    waits=exponential_waits(timedelta(seconds=10), timedelta(hours=1), timedelta(hours=48)),
)
WEBHOOK: Final = RetryProfile(name="webhook", timeout=timedelta(seconds=25), waits=_STANDARD_WEBHOOKS)

_PROFILES: Final = MappingProxyType(
    {
        Port.EMAIL: MESSAGE,
        Port.SMS: MESSAGE,
        Port.JOBS: JOB,
        Port.PAYMENTS: PAYMENT,
        Port.ANALYTICS: ANALYTICS,
        Port.WEBHOOKS: WEBHOOK,
    }
)


def profile_of(vendor: Vendor) -> RetryProfile:
    """The profile of the effects that this vendor carries out."""
    return _PROFILES[PORT_OF[vendor]]


def is_exhausted(vendor: Vendor, tries: int) -> bool:
    """Whether an effect is given up once `tries` attempts of a round have not carried it out.

    An attempt that ended with its worker counts as well: an effect may be what kills its workers.
    """
    return tries > len(profile_of(vendor).waits)


MAX_JITTER: Final = 0.1
"""The largest share by which a wait after a failure exceeds its profile's."""


def wait_after_failure(
    vendor: Vendor, tries: int, *, permanent: bool = False, asked_for: timedelta | None = None, jitter: float = 0.0
) -> timedelta | None:
    """How long to wait after attempt number `tries` of a round has failed; none: the effect is given up.

    `asked_for` is the pause that the vendor asks for. The caller draws `jitter`, from 0 to 1, so that effects that
    failed together do not all come back together.
    """
    if permanent or is_exhausted(vendor, tries):
        return None
    wait = profile_of(vendor).waits[tries - 1]
    return max(wait, asked_for or timedelta()) * (1 + jitter * MAX_JITTER)


class Interruption(StrEnum):
    """What keeps an effect from being done without anybody saying that it failed."""

    INTERNAL_ERROR = "internal_error"
    """Our own fault: PostgreSQL is away, or we have a bug."""
    LEASE_LOST = "lease_lost"
    """The attempt stood still for longer than its lease, and stopped."""
    WORKER_LOST = "worker_lost"
    """Temporal has heard nothing more of the attempt: its worker was killed."""
    NOT_DUE = "not_due"
    """The attempt came too early, or another is under way."""
    NO_ROOM = "no_room"
    """The business has as many attempts under way with this vendor as it may."""
    OVERDUE = "overdue"
    """Temporal has the effect, and nothing has been heard of it since its next attempt was due."""


DUE_WITHIN: Final = timedelta(seconds=1)
"""An attempt that begins so little too early counts as due: Temporal's clock is not PostgreSQL's."""

_WAITS: Final = MappingProxyType(
    {
        Interruption.INTERNAL_ERROR: timedelta(seconds=30),
        Interruption.LEASE_LOST: timedelta(seconds=1),
        Interruption.WORKER_LOST: timedelta(seconds=1),
        Interruption.NOT_DUE: DUE_WITHIN,
        Interruption.NO_ROOM: timedelta(seconds=1),
        Interruption.OVERDUE: timedelta(seconds=30),
    }
)


def wait_after_interruption(interruption: Interruption, *, left: timedelta | None = None) -> timedelta:
    """How long to wait before the next attempt; `left` is the time until one that is not due will be."""
    return max(_WAITS[interruption], left or timedelta())
