"""Who is told what, under which key, and what is not told any more."""

from datetime import datetime
from typing import Any

import pytest

from domain.booking import BookingState
from domain.lifecycle import Party, Status
from domain.notices import (
    Audience,
    Notice,
    NoticeKind,
    notices_of_reminder,
    notices_of_step,
    reminder_key,
    still_due,
)
from domain.plan import Reminder, reminders
from domain.steps import StepKind
from tests.unit.domain.builders import BOOKING, LATER, STARTS_AT, booking


def told(kind: StepKind, after: BookingState, before: BookingState | None = None) -> list[tuple[str, str]]:
    """What a step tells to whom."""
    return [(notice.kind, notice.audience) for notice in notices_of_step(kind, before, after)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.PENDING, [("received", "customer")]),
        (Status.ASSIGNED, [("offered", "provider")]),
        (Status.ACCEPTED, [("confirmed", "customer")]),
        (Status.IN_PROGRESS, []),
        (Status.COMPLETED, [("completed", "customer")]),
        (Status.REJECTED, []),
        (Status.NO_SHOW, []),
        (Status.CANCELLED, [("cancelled", "customer"), ("cancelled", "provider")]),
    ],
)
@pytest.mark.parametrize("kind", [StepKind.TRANSITION, StepKind.OVERRIDE])
def test_each_status_tells_those_whom_it_concerns(
    kind: StepKind, status: Status, expected: list[tuple[str, str]]
) -> None:
    assert told(kind, booking(status), booking()) == expected


def test_a_creation_is_acknowledged_to_the_customer() -> None:
    assert told(StepKind.CREATED, booking()) == [("received", "customer")]


def test_a_move_is_told_to_both() -> None:
    moved = booking(Status.ACCEPTED)
    assert told(StepKind.RESCHEDULED, moved, moved) == [("rescheduled", "customer"), ("rescheduled", "provider")]


def test_nobody_is_told_who_is_not_there() -> None:
    assert told(StepKind.TRANSITION, booking(Status.CANCELLED, provider_id=None), booking()) == [
        ("cancelled", "customer")
    ]


@pytest.mark.parametrize("kind", [StepKind.FLAGGED, StepKind.ATTEMPT_FAILED])
def test_the_owner_is_told_when_a_booking_begins_to_need_attention(kind: StepKind) -> None:
    flagged = booking(needs_attention=True)
    assert told(kind, flagged, booking()) == [("needs_attention", "owner")]
    assert told(kind, flagged, flagged) == []


def test_a_failed_attempt_alone_is_nobody_s_concern() -> None:
    assert told(StepKind.ATTEMPT_FAILED, booking(), booking()) == []


def test_the_key_of_a_notice_is_its_step_s_and_stays_the_same() -> None:
    after = booking(Status.CANCELLED, version=6)
    keys = [notice.key for notice in notices_of_step(StepKind.TRANSITION, booking(), after)]
    assert keys == [f"{BOOKING}/6/cancelled/customer", f"{BOOKING}/6/cancelled/provider"]
    assert keys == [notice.key for notice in notices_of_step(StepKind.TRANSITION, None, after)]


@pytest.mark.parametrize(
    ("status", "audiences"),
    [
        (Status.PENDING, ["customer"]),
        (Status.ASSIGNED, ["customer", "provider"]),
        (Status.ACCEPTED, ["customer", "provider"]),
        (Status.REJECTED, ["customer"]),
    ],
)
def test_a_reminder_goes_to_the_customer_and_to_a_provider_who_has_the_booking(
    status: Status, audiences: list[str]
) -> None:
    state = booking(status)
    notices = notices_of_reminder(state, reminders(state)[0])
    assert [notice.audience for notice in notices] == audiences
    assert {(notice.kind, notice.minutes_before, notice.starts_at) for notice in notices} == {
        (NoticeKind.REMINDER, 1440, STARTS_AT)
    }


def test_a_moved_booking_reminds_again_under_another_key() -> None:
    reminder = Reminder(minutes_before=10, at=STARTS_AT)
    key = reminder_key(booking(), reminder, Audience.CUSTOMER)
    assert key != reminder_key(booking(starts_at=LATER), reminder, Audience.CUSTOMER)
    assert key == reminder_key(booking(version=9, status=Status.ACCEPTED), reminder, Audience.CUSTOMER)


def test_a_reminder_s_key_is_the_same_however_the_offset_is_written() -> None:
    """A move arrives with the caller's offset, the database answers in UTC: the moment is one and the same."""
    reminder = Reminder(minutes_before=10, at=STARTS_AT)
    as_sent = datetime.fromisoformat("2026-03-05T07:00:00-05:00")
    assert as_sent == STARTS_AT
    assert reminder_key(booking(starts_at=as_sent), reminder, Audience.CUSTOMER) == reminder_key(
        booking(), reminder, Audience.CUSTOMER
    )


def notice(kind: NoticeKind, **changes: Any) -> Notice:
    values: dict[str, Any] = {"key": "k", "kind": kind, "audience": Audience.CUSTOMER, "starts_at": STARTS_AT}
    return Notice(**values | changes)


@pytest.mark.parametrize("kind", NoticeKind)
def test_after_a_cancellation_only_the_cancellation_is_told(kind: NoticeKind) -> None:
    assert still_due(notice(kind), Status.CANCELLED, STARTS_AT) is (kind is NoticeKind.CANCELLED)


@pytest.mark.parametrize(
    ("status", "due"),
    [
        (Status.PENDING, True),
        (Status.ASSIGNED, True),
        (Status.ACCEPTED, True),
        (Status.REJECTED, True),
        (Status.IN_PROGRESS, False),
        (Status.COMPLETED, False),
        (Status.NO_SHOW, False),
        (Status.CANCELLED, False),
    ],
)
def test_a_reminder_is_due_only_while_its_appointment_lies_ahead(status: Status, due: bool) -> None:
    assert still_due(notice(NoticeKind.REMINDER), status, STARTS_AT) is due


def test_a_reminder_of_a_time_that_was_given_up_is_not_sent() -> None:
    assert not still_due(notice(NoticeKind.REMINDER), Status.ACCEPTED, LATER)


def test_other_notices_are_sent_whatever_has_happened_since() -> None:
    assert still_due(notice(NoticeKind.RECEIVED), Status.COMPLETED, LATER)


def test_a_no_show_that_ends_in_review_tells_the_owner() -> None:
    after = booking(Status.NO_SHOW, needs_attention=True, absent_party=Party.CUSTOMER)
    assert told(StepKind.TRANSITION, after, booking(Status.IN_PROGRESS)) == [("needs_attention", "owner")]
