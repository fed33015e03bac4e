"""What a booking and a vendor's record of it may differ in, and what is done about each difference.

What only we can have missed is repaired by planning the effect again. What a person may have meant is not undone:
it is flagged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.effects import EffectKind, EffectState, Planned, Port, SequenceKey, Vendor
from domain.jobs import Job, JobState, current_job
from domain.lifecycle import Status
from domain.payments import (
    UNPAID,
    Charge,
    ChargeState,
    Payment,
    PaymentState,
    least_fee,
    settlement,
    synced,
)

Json = dict[str, Any]
_MANY: Final = 5

MOST_INTEGRATIONS: Final = 200
"""So many a run of a round sees to."""


class FindingState(StrEnum):
    OPEN = "open"
    """A person has to look at it."""
    REPAIRING = "repairing"
    """An effect is planned that mends it; the next round sees whether it did."""
    RESOLVED = "resolved"


class FindingKind(StrEnum):
    JOB_MISSING = "job_missing"
    JOB_OUTDATED = "job_outdated"
    """It is at another time than the booking, and our last change of it was not carried out."""
    JOB_OUTLIVES = "job_outlives"
    """It goes on although the booking is cancelled."""
    JOB_MOVED = "job_moved"
    """Somebody has moved it in the job system."""
    JOB_CANCELLED = "job_cancelled"
    """Somebody has cancelled it in the job system, and the booking goes on."""
    JOB_DUPLICATE = "job_duplicate"
    """The booking has several that go on."""
    PAYMENT_UNKNOWN = "payment_unknown"
    """The gateway has authorised or captured what we do not know of."""
    PAYMENT_UNSETTLED = "payment_unsettled"
    """The booking has ended, and the gateway holds or keeps more than it costs."""
    PAYMENT_UNCAPTURED = "payment_uncaptured"
    """The service was given, and the gateway has taken nothing for it."""
    PAYMENT_TWICE = "payment_twice"
    """It was captured more than once."""
    PAYMENT_DIFFERS = "payment_differs"
    """The gateway's amounts cannot be explained by ours."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; the same for as long as it lasts."""

    kind: FindingKind
    booking_id: UUID
    repair: EffectKind | None = None
    """The effect that mends it; none: a person decides."""
    detail: Json = field(default_factory=dict)
    """Ids, codes, times and amounts, ours and theirs."""
    subject: Json = field(default_factory=dict)
    """What the repair is told."""


class IntegrationRef(BaseModel):
    """An integration that is compared with what bookings say."""

    model_config = ConfigDict(frozen=True)

    business_id: UUID
    integration_id: UUID
    port: Port


class ReconcileRequest(BaseModel):
    """The argument of a round."""

    model_config = ConfigDict(frozen=True)

    business_id: UUID | None = None
    """None: all of them."""
    after: UUID | None = None
    """The integration behind which to go on."""
    so_far: "Rounds | None" = None


class Reconciled(BaseModel):
    """What the comparison of one integration came to."""

    compared: int = 0
    repairing: int = 0
    flag: tuple[UUID, ...] = ()
    """Bookings with a finding that is open, to be flagged for owners and admins."""


class Rounds(BaseModel):
    """What a round over all integrations came to."""

    integrations: int = 0
    failed: int = 0
    compared: int = 0
    repairing: int = 0
    flagged: int = 0


# --- jobs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpectedJob:
    """A booking that has a job."""

    booking_id: UUID
    status: Status
    starts_at: datetime
    ends_at: datetime
    last_effect: EffectState
    """How our last change of the job ended."""


def job_difference(booking: ExpectedJob, jobs: list[Job]) -> Difference | None:
    """What is to be done about a booking and its jobs, if anything."""
    alive = [job for job in jobs if job.state is JobState.OPEN]
    job = current_job(jobs)
    if booking.status is Status.CANCELLED:
        return _outlives(booking, alive[0]) if alive else None
    if job is None:
        return Difference(FindingKind.JOB_MISSING, booking.booking_id, EffectKind.CREATE_JOB)
    if len(alive) > 1:
        refs = sorted(job.ref for job in alive)
        return Difference(FindingKind.JOB_DUPLICATE, booking.booking_id, detail={"jobs": refs})
    return _of_the_one(booking, job)


def _outlives(booking: ExpectedJob, job: Job) -> Difference:
    detail = {"job": job.ref}
    return Difference(FindingKind.JOB_OUTLIVES, booking.booking_id, EffectKind.CANCEL_JOB, detail)


def _of_the_one(booking: ExpectedJob, job: Job) -> Difference | None:
    if booking.status is Status.COMPLETED or job.state is JobState.DONE:
        return None
    if job.state is JobState.CANCELLED:
        return Difference(FindingKind.JOB_CANCELLED, booking.booking_id, detail={"job": job.ref})
    if job.is_at(booking.starts_at, booking.ends_at):
        return None
    detail = {
        "job": job.ref,
        "job_starts_at": _written(job.starts_at),
        "job_ends_at": _written(job.ends_at),
        "booking_starts_at": _written(booking.starts_at),
        "booking_ends_at": _written(booking.ends_at),
    }
    if booking.last_effect is EffectState.DONE:
        # It was as the booking is when we looked last: somebody has moved it since.
        return Difference(FindingKind.JOB_MOVED, booking.booking_id, detail=detail)
    return Difference(FindingKind.JOB_OUTDATED, booking.booking_id, EffectKind.UPDATE_JOB, detail)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def withhold_mass_repairs(differences: Sequence[Difference], compared: int) -> list[Difference]:
    """The same; but when most jobs are missing, none is made again before a person has looked.

    That is no loss of single jobs: it is another account, or settings by which none is found.
    """
    missing = [one for one in differences if one.kind is FindingKind.JOB_MISSING]
    if len(missing) < _MANY or len(missing) * 2 <= compared:
        return list(differences)
    doubted = {"missing_among": compared}
    return [replace(one, repair=None, detail=doubted) if one in missing else one for one in differences]


# --- payments -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExpectedPayment:
    """A booking that is paid for through a gateway."""

    booking_id: UUID
    status: Status
    vendor: Vendor
    currency: str
    payment: Payment
    fee: int
    """What it costs although it was cancelled, in the currency's minor unit."""
    fee_percent: int
    settled_version: int | None = None
    """The booking's version at its newest end, whose fee this is."""


def payment_difference(expected: ExpectedPayment, charges: Sequence[Charge]) -> Difference | None:
    """What is to be done about a booking's payment and the gateway's tries at it, if anything."""
    if any(charge.state is ChargeState.PROCESSING for charge in charges):
        return None
    if expected.status is Status.CANCELLED:
        return _unsettled(expected, charges) or _unknown(expected, charges)
    return _unexplained(expected, charges) or _unknown(expected, charges) or _uncaptured(expected)


def _unsettled(expected: ExpectedPayment, charges: Sequence[Charge]) -> Difference | None:
    """A cancelled booking's settlement leaves nothing to do; else it is done again."""
    known = expected.payment
    # An earlier end may have kept more than the newest allows; what could not be had is not asked for again.
    keep = min(expected.fee, known.amount, expected.fee if known.keep is None else known.keep)
    if not settlement(charges, keep, authorized=known.amount, least=least_fee(expected.vendor, expected.currency)):
        return None
    return Difference(
        FindingKind.PAYMENT_UNSETTLED,
        expected.booking_id,
        EffectKind.SETTLE_PAYMENT,
        _amounts(expected, charges) | {"keep": keep},
        {"fee_percent": expected.fee_percent} | _newest(expected),
    )


def _newest(expected: ExpectedPayment) -> Json:
    return {} if expected.settled_version is None else {"version": expected.settled_version}


def _unexplained(expected: ExpectedPayment, charges: Sequence[Charge]) -> Difference | None:
    known, detail = expected.payment, _amounts(expected, charges)
    if len([charge for charge in charges if charge.net > 0]) > 1:
        return Difference(FindingKind.PAYMENT_TWICE, expected.booking_id, detail=detail)
    theirs = sum(charge.captured for charge in charges)
    too_much = any(charge.captured > known.amount for charge in charges)
    if too_much or theirs < known.captured or detail["refunded"] < known.refunded:
        return Difference(FindingKind.PAYMENT_DIFFERS, expected.booking_id, detail=detail)
    return None


def _unknown(expected: ExpectedPayment, charges: Sequence[Charge]) -> Difference | None:
    known, after = expected.payment, synced(expected.payment, charges)
    if (after.state, after.captured, after.refunded) == (known.state, known.captured, known.refunded):
        return None
    detail = _amounts(expected, charges) | {"known_state": known.state, "state": after.state}
    return Difference(FindingKind.PAYMENT_UNKNOWN, expected.booking_id, EffectKind.SYNC_PAYMENT, detail)


_NOT_TAKEN: Final = frozenset({*UNPAID, PaymentState.AUTHORIZED, PaymentState.RELEASED})


def _uncaptured(expected: ExpectedPayment) -> Difference | None:
    """The service was given, and nothing was taken for it. What nobody promises any more is for people."""
    known = expected.payment
    if expected.status is not Status.COMPLETED or known.state not in _NOT_TAKEN:
        return None
    repair = EffectKind.CAPTURE_PAYMENT if known.state is PaymentState.AUTHORIZED else None
    detail = {"amount": known.amount, "known_state": known.state}
    return Difference(FindingKind.PAYMENT_UNCAPTURED, expected.booking_id, repair, detail)


def _amounts(expected: ExpectedPayment, charges: Sequence[Charge]) -> Json:
    """In the currency's minor unit; ours are `known_…`."""
    return {
        "charges": [charge.ref for charge in charges],
        "amount": expected.payment.amount,
        "captured": sum(charge.captured for charge in charges),
        "refunded": sum(charge.refunded for charge in charges),
        "known_captured": expected.payment.captured,
        "known_refunded": expected.payment.refunded,
    }


# --- repairs --------------------------------------------------------------------------------------------------

SEQUENCE_KEYS: Final = MappingProxyType({Port.JOBS: SequenceKey.JOB, Port.PAYMENTS: SequenceKey.PAYMENT})
"""The ports that are compared."""


def repair_of(difference: Difference, port: Port, finding_id: UUID, found_at: datetime) -> Planned | None:
    """The effect that mends a difference; another with each time that it is found."""
    if difference.repair is None:
        return None
    found = int(found_at.timestamp() * 1_000_000)
    key = f"{difference.booking_id}/{difference.repair}/finding/{finding_id}/{found}"
    subject = difference.subject | {"finding_id": str(finding_id)}
    return Planned(kind=difference.repair, port=port, key=key, sequence_key=SEQUENCE_KEYS[port], subject=subject)
