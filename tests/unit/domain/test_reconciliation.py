"""Differences between a booking and a vendor's record, and whether they are repaired or left to people."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.effects import EffectKind, EffectState, Port, SequenceKey, Vendor
from domain.jobs import Job, JobState
from domain.lifecycle import Status
from domain.payments import Charge, ChargeState, Payment, PaymentState
from domain.reconciliation import (
    Difference,
    ExpectedJob,
    ExpectedPayment,
    FindingKind,
    job_difference,
    payment_difference,
    repair_of,
    withhold_mass_repairs,
)

ID = UUID(int=7)
START = datetime(2031, 5, 1, 9, tzinfo=UTC)
END = START + timedelta(hours=1)
ACCEPTED = ExpectedJob(ID, Status.ACCEPTED, START, END, EffectState.DONE)
CANCELLED = replace(ACCEPTED, status=Status.CANCELLED)
JOB = Job("1", ID, JobState.OPEN, START, END, "v1")
LATER = replace(JOB, starts_at=END, ends_at=END + timedelta(hours=1))
GONE = replace(JOB, state=JobState.CANCELLED)
DONE = replace(LATER, state=JobState.DONE)
FAILED = replace(ACCEPTED, last_effect=EffectState.FAILED)
TWIN = replace(JOB, ref="2")


@pytest.mark.parametrize(
    ("booking", "jobs", "kind", "repair"),
    [
        (ACCEPTED, [JOB], None, None),
        (ACCEPTED, [], FindingKind.JOB_MISSING, EffectKind.CREATE_JOB),
        (ACCEPTED, [LATER], FindingKind.JOB_MOVED, None),
        (FAILED, [LATER], FindingKind.JOB_OUTDATED, EffectKind.UPDATE_JOB),
        (ACCEPTED, [GONE], FindingKind.JOB_CANCELLED, None),
        (ACCEPTED, [GONE, JOB], None, None),
        (ACCEPTED, [JOB, TWIN], FindingKind.JOB_DUPLICATE, None),
        (ACCEPTED, [DONE], None, None),
        (replace(ACCEPTED, status=Status.COMPLETED), [LATER], None, None),
        (CANCELLED, [JOB], FindingKind.JOB_OUTLIVES, EffectKind.CANCEL_JOB),
        (CANCELLED, [GONE], None, None),
        (CANCELLED, [], None, None),
        (CANCELLED, [DONE], None, None),
    ],
)
def test_what_only_we_can_have_missed_is_repaired_and_what_people_may_have_meant_is_not(
    booking: ExpectedJob, jobs: list[Job], kind: FindingKind | None, repair: EffectKind | None
) -> None:
    found = job_difference(booking, jobs)
    assert (found.kind, found.repair) == (kind, repair) if found else kind is None


def test_part_of_a_second_is_no_difference() -> None:
    assert job_difference(replace(ACCEPTED, starts_at=START + timedelta(milliseconds=400)), [JOB]) is None


@pytest.mark.parametrize(("missing", "compared", "repaired"), [(4, 4, 4), (5, 10, 5), (5, 9, 0), (50, 50, 0)])
def test_when_most_jobs_are_missing_a_person_looks_before_any_is_made_again(
    missing: int, compared: int, repaired: int
) -> None:
    one = job_difference(ACCEPTED, [])
    outlives = job_difference(CANCELLED, [JOB])
    assert one is not None
    assert outlives is not None
    found = withhold_mass_repairs([*([one] * missing), outlives], compared)
    assert [difference.repair for difference in found].count(EffectKind.CREATE_JOB) == repaired
    assert found[-1] == outlives


PAID = ExpectedPayment(
    ID,
    Status.ACCEPTED,
    Vendor.STRIPE,
    "USD",
    Payment(PaymentState.CAPTURED, tries=1, amount=100, captured=100),
    0,
    0,
)
TAKEN = Charge("pi_1", 1, ChargeState.CAPTURED, captured=100)
HELD = Charge("pi_1", 1, ChargeState.AUTHORIZED)
PROMISED = replace(PAID, payment=Payment(PaymentState.AUTHORIZED, tries=1, amount=100))
WAITING = replace(PAID, payment=Payment(PaymentState.AWAITING, tries=1, amount=100))
ENDED = replace(PAID, status=Status.CANCELLED)
KEPT = replace(ENDED, payment=replace(PAID.payment, refunded=60, keep=40), fee=40, fee_percent=40)
COMPLETED = replace(PAID, status=Status.COMPLETED)
DECLINED = Charge("pi_1", 1, ChargeState.DECLINED, failure="expired_card")
BACK = replace(TAKEN, refunded=60)


@pytest.mark.parametrize(
    ("expected", "charges", "kind", "repair"),
    [
        (PAID, [TAKEN], None, None),
        (PROMISED, [HELD], None, None),
        (WAITING, [HELD], FindingKind.PAYMENT_UNKNOWN, EffectKind.SYNC_PAYMENT),
        (PROMISED, [TAKEN], FindingKind.PAYMENT_UNKNOWN, EffectKind.SYNC_PAYMENT),
        (PAID, [replace(TAKEN, refunded=30)], FindingKind.PAYMENT_UNKNOWN, EffectKind.SYNC_PAYMENT),
        (PAID, [TAKEN, replace(TAKEN, ref="pi_2", number=2)], FindingKind.PAYMENT_TWICE, None),
        (PAID, [replace(TAKEN, captured=140)], FindingKind.PAYMENT_DIFFERS, None),
        (PAID, [], FindingKind.PAYMENT_DIFFERS, None),
        (PAID, [replace(HELD, state=ChargeState.PROCESSING)], None, None),
        (
            replace(PROMISED, status=Status.COMPLETED),
            [HELD],
            FindingKind.PAYMENT_UNCAPTURED,
            EffectKind.CAPTURE_PAYMENT,
        ),
        (
            replace(COMPLETED, payment=replace(WAITING.payment, state=PaymentState.DECLINED)),
            [DECLINED],
            FindingKind.PAYMENT_UNCAPTURED,
            None,
        ),
        (COMPLETED, [TAKEN], None, None),
        (
            replace(COMPLETED, payment=replace(PAID.payment, captured=0)),
            [replace(TAKEN, refunded=100), replace(TAKEN, ref="pi_2", number=2)],
            FindingKind.PAYMENT_UNKNOWN,
            EffectKind.SYNC_PAYMENT,
        ),
        (ENDED, [TAKEN], FindingKind.PAYMENT_UNSETTLED, EffectKind.SETTLE_PAYMENT),
        (
            replace(ENDED, payment=PROMISED.payment),
            [HELD],
            FindingKind.PAYMENT_UNSETTLED,
            EffectKind.SETTLE_PAYMENT,
        ),
        (KEPT, [BACK], None, None),
        (replace(KEPT, fee=0), [BACK], FindingKind.PAYMENT_UNSETTLED, EffectKind.SETTLE_PAYMENT),
        (
            replace(ENDED, fee=40, fee_percent=40),
            [replace(BACK)],
            FindingKind.PAYMENT_UNKNOWN,
            EffectKind.SYNC_PAYMENT,
        ),
    ],
)
def test_money_that_is_not_where_it_should_be_is_found(
    expected: ExpectedPayment, charges: list[Charge], kind: FindingKind | None, repair: EffectKind | None
) -> None:
    found = payment_difference(expected, charges)
    assert (found.kind, found.repair) == (kind, repair) if found else kind is None


def test_a_repair_has_another_key_each_time_that_the_difference_is_found() -> None:
    difference = Difference(
        FindingKind.PAYMENT_UNSETTLED, ID, EffectKind.SETTLE_PAYMENT, subject={"fee_percent": 40}
    )
    first = repair_of(difference, Port.PAYMENTS, ID, START)
    again = repair_of(difference, Port.PAYMENTS, ID, START + timedelta(milliseconds=1))
    assert first is not None
    assert again is not None
    assert first.key != again.key
    assert (first.sequence_key, first.subject) == (SequenceKey.PAYMENT, {"fee_percent": 40, "finding_id": str(ID)})
    assert repair_of(replace(difference, repair=None), Port.PAYMENTS, ID, START) is None
