"""A booking's timeline: phases, deadlines, expiry margins and reminders."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.lifecycle import Party, Status
from domain.policies import Policy
from domain.timeline import Deadline, DeadlineKind, Phase, deadline, phase, reminders, reminders_after
from tests.support.domain.builders import NOW, STARTS_AT, booking

SOON = NOW + timedelta(seconds=2)
ENDS_AT = STARTS_AT + timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "particulars", "expected"),
    [
        (Status.PENDING, {}, Phase.ASSIGNING),
        (Status.PENDING, {"needs_attention": True}, Phase.AWAITING_DECISION),
        (Status.REJECTED, {}, Phase.ASSIGNING),
        (Status.REJECTED, {"needs_attention": True}, Phase.AWAITING_DECISION),
        (Status.NO_SHOW, {"absent_party": Party.PROVIDER}, Phase.ASSIGNING),
        (Status.NO_SHOW, {"absent_party": Party.CUSTOMER}, Phase.CLOSING),
        (Status.NO_SHOW, {"absent_party": Party.CUSTOMER, "needs_attention": True}, Phase.AWAITING_DECISION),
        (Status.ASSIGNED, {}, Phase.AWAITING_ANSWER),
        (Status.ACCEPTED, {}, Phase.AWAITING_START),
        (Status.ACCEPTED, {"needs_attention": True}, Phase.AWAITING_START),
        (Status.IN_PROGRESS, {}, Phase.IN_PROGRESS),
        (Status.COMPLETED, {}, Phase.ENDED),
        (Status.CANCELLED, {}, Phase.ENDED),
    ],
)
def test_each_status_has_its_phase(status: Status, particulars: dict[str, Any], expected: Phase) -> None:
    assert phase(booking(status, **particulars)) is expected


@pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED, Status.NO_SHOW])
def test_while_a_provider_is_looked_for_the_next_attempt_comes_first(status: Status) -> None:
    state = booking(status, next_attempt_at=SOON, absent_party=Party.PROVIDER)
    assert deadline(state) == Deadline(kind=DeadlineKind.NEXT_ATTEMPT, at=SOON)


def test_an_offer_expires_its_policy_s_minutes_after_it_was_made() -> None:
    state = booking(Status.ASSIGNED, policy=Policy(offer_timeout_minutes=45))
    assert deadline(state) == Deadline(kind=DeadlineKind.OFFER_EXPIRES, at=NOW + timedelta(minutes=45))


def test_a_booking_that_is_about_to_begin_expires_before_its_offer_does() -> None:
    state = booking(Status.ASSIGNED, starts_at=NOW + timedelta(minutes=20), ends_at=NOW + timedelta(minutes=80))
    assert deadline(state) == Deadline(kind=DeadlineKind.BOOKING_EXPIRES, at=NOW + timedelta(minutes=20))


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.IN_PROGRESS])
def test_a_booking_that_nobody_finishes_is_overdue_after_its_end(status: Status) -> None:
    state = booking(status, accepted_once=True, policy=Policy(overdue_minutes=90))
    assert deadline(state) == Deadline(kind=DeadlineKind.OVERDUE, at=ENDS_AT + timedelta(minutes=90))


def test_a_booking_reopened_after_its_end_is_overdue_counted_from_the_reopening() -> None:
    reopened = ENDS_AT + timedelta(days=30)
    state = booking(Status.ACCEPTED, phase_since=reopened, policy=Policy(overdue_minutes=90))
    assert deadline(state) == Deadline(kind=DeadlineKind.OVERDUE, at=reopened + timedelta(minutes=90))


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.IN_PROGRESS, Status.COMPLETED, Status.CANCELLED])
def test_what_only_a_person_can_move_has_no_deadline(status: Status) -> None:
    assert deadline(booking(status, needs_attention=True, accepted_once=True)) is None


@pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED, Status.NO_SHOW, Status.ASSIGNED])
@pytest.mark.parametrize("margin", [0, 1, 120])
def test_a_booking_that_nobody_accepted_expires_its_margin_before_the_start(status: Status, margin: int) -> None:
    policy = Policy(expires_minutes_before=margin, offer_timeout_minutes=60 * 24 * 30)
    found = deadline(booking(status, policy=policy, needs_attention=status is not Status.ASSIGNED))
    assert found == Deadline(kind=DeadlineKind.BOOKING_EXPIRES, at=STARTS_AT - timedelta(minutes=margin))


def test_a_booking_made_inside_the_margin_has_until_its_start() -> None:
    policy = Policy(expires_minutes_before=120)
    state = booking(policy=policy, planned_from=STARTS_AT - timedelta(minutes=30), needs_attention=True)
    assert deadline(state) == Deadline(kind=DeadlineKind.BOOKING_EXPIRES, at=STARTS_AT)


def test_a_booking_made_exactly_at_the_margin_has_until_its_start() -> None:
    policy = Policy(expires_minutes_before=120)
    state = booking(policy=policy, planned_from=STARTS_AT - timedelta(minutes=120), needs_attention=True)
    assert deadline(state) == Deadline(kind=DeadlineKind.BOOKING_EXPIRES, at=STARTS_AT)


def test_a_booking_brought_back_after_its_start_never_expires() -> None:
    assert deadline(booking(planned_from=STARTS_AT, needs_attention=True)) is None


def test_a_booking_that_was_accepted_once_never_expires() -> None:
    assert deadline(booking(Status.REJECTED, accepted_once=True, needs_attention=True)) is None


def test_reminders_come_a_day_and_ten_minutes_before_the_start() -> None:
    assert [(r.minutes_before, r.at) for r in reminders(booking(Status.ACCEPTED))] == [
        (1440, STARTS_AT - timedelta(days=1)),
        (10, STARTS_AT - timedelta(minutes=10)),
    ]


@pytest.mark.parametrize("status", [Status.PENDING, Status.ASSIGNED, Status.ACCEPTED, Status.REJECTED])
def test_an_appointment_that_lies_ahead_is_reminded_of(status: Status) -> None:
    assert len(reminders(booking(status))) == 2


@pytest.mark.parametrize("status", [Status.IN_PROGRESS, Status.COMPLETED, Status.NO_SHOW, Status.CANCELLED])
def test_an_appointment_that_began_or_fell_through_is_not(status: Status) -> None:
    assert reminders(booking(status)) == []


def test_reminders_whose_time_had_passed_when_the_booking_was_made_are_left_out() -> None:
    late = booking(planned_from=STARTS_AT - timedelta(hours=3))
    assert [r.minutes_before for r in reminders(late)] == [10]


def test_a_reminder_due_at_the_very_moment_of_booking_is_kept() -> None:
    assert len(reminders(booking(planned_from=STARTS_AT - timedelta(days=1)))) == 2


def test_the_same_minute_twice_in_a_policy_reminds_once() -> None:
    state = booking(policy=Policy(reminder_minutes=(10, 60, 10)))
    assert [r.minutes_before for r in reminders(state)] == [60, 10]


def test_only_reminders_still_to_come_are_announced() -> None:
    state = booking(Status.ACCEPTED)
    assert [r.minutes_before for r in reminders_after(state, STARTS_AT - timedelta(days=1))] == [10]
    assert reminders_after(state, STARTS_AT) == []


@pytest.mark.parametrize("starts_at", ["2026-03-08T12:00-04:00", "2026-11-01T12:00-05:00"])
def test_reminders_are_absolute_minutes_across_a_change_of_the_clocks(starts_at: str) -> None:
    """Both are noon in New York on a day on which the clocks change; moments arrive with an offset."""
    start = datetime.fromisoformat(starts_at)
    state = booking(starts_at=start, ends_at=start + timedelta(hours=1), planned_from=NOW)
    day_before = next(r for r in reminders(state) if r.minutes_before == 1440)
    assert start.astimezone(UTC) - day_before.at.astimezone(UTC) == timedelta(hours=24)
    assert day_before.at.astimezone(ZoneInfo("America/New_York")).hour != 12
