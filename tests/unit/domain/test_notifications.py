"""Who is notified of what, under which key, and which notifications lapse."""

from datetime import datetime, timedelta

import pytest

from domain.booking import BookingState
from domain.lifecycle import Party, Status
from domain.notifications import Audience, Notice, NoticeKind, notices_of_step, reminder_due, still_due
from domain.steps import StepKind
from domain.timeline import Reminder, reminders
from tests.support.domain.builders import ANA, BEN, BOOKING, LATER, STARTS_AT, booking, step

BEFORE = STARTS_AT - timedelta(minutes=10)


def notified(kind: StepKind, after: BookingState, *, was_flagged: bool = False) -> list[tuple[str, str]]:
    """What a step tells to whom."""
    return [(n.kind, n.audience) for n in notices_of_step(step(kind, after, was_flagged=was_flagged), after)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.PENDING, []),
        (Status.ASSIGNED, [("offered", "provider")]),
        (Status.ACCEPTED, [("confirmed", "customer")]),
        (Status.IN_PROGRESS, []),
        (Status.COMPLETED, [("completed", "customer")]),
        (Status.REJECTED, []),
        (Status.NO_SHOW, []),
        (Status.CANCELLED, [("cancelled", "customer"), ("cancelled", "provider")]),
    ],
)
@pytest.mark.parametrize("kind", [StepKind.TRANSITION])
def test_each_status_tells_those_whom_it_concerns(
    kind: StepKind, status: Status, expected: list[tuple[str, str]]
) -> None:
    assert notified(kind, booking(status)) == expected


@pytest.mark.parametrize("kind", [StepKind.TRANSITION, StepKind.ATTEMPT_FAILED])
def test_the_creation_is_acknowledged_with_the_first_step_whatever_that_is(kind: StepKind) -> None:
    """The API answers before the engine runs, so the second row of the history tells of the first."""
    [received, *_] = notices_of_step(step(kind, booking(version=2)), booking(version=2))
    assert (received.kind, received.audience, received.key) == (
        NoticeKind.RECEIVED,
        Audience.CUSTOMER,
        f"{BOOKING}/1/received/customer",
    )
    assert ("received", "customer") not in notified(kind, booking(version=3))


def test_a_move_is_told_to_both() -> None:
    assert notified(StepKind.RESCHEDULED, booking(Status.ACCEPTED)) == [
        ("rescheduled", "customer"),
        ("rescheduled", "provider"),
    ]


OF_ANA = booking(Status.ACCEPTED)
OF_BEN = booking(Status.ACCEPTED, provider_id=BEN, starts_at=LATER)
ENDED = booking(Status.CANCELLED)


@pytest.mark.parametrize(
    ("kind", "before", "after", "expected"),
    [
        # Given to somebody else: by a move, or by an override to another provider.
        (StepKind.RESCHEDULED, OF_ANA, OF_BEN, [("cancelled", ANA, STARTS_AT), ("confirmed", BEN, LATER)]),
        (
            StepKind.RESCHEDULED,
            booking(Status.ASSIGNED),
            booking(Status.ASSIGNED, provider_id=BEN),
            [("cancelled", ANA, STARTS_AT), ("offered", BEN, STARTS_AT)],
        ),
        # Taken away by an override; given back by a transition.
        (StepKind.OVERRIDE, OF_ANA, booking(Status.PENDING), [("cancelled", ANA, STARTS_AT)]),
        (StepKind.OVERRIDE, OF_ANA, booking(Status.REJECTED), [("cancelled", ANA, STARTS_AT)]),
        (StepKind.TRANSITION, booking(Status.ASSIGNED), booking(Status.REJECTED), []),
        # Brought back: whoever was told that it is cancelled is told anew.
        (StepKind.OVERRIDE, ENDED, OF_ANA, [("confirmed", ANA, STARTS_AT)]),
        (StepKind.OVERRIDE, ENDED, booking(Status.ASSIGNED), [("offered", ANA, STARTS_AT)]),
        (StepKind.OVERRIDE, ENDED, booking(Status.COMPLETED), []),
        # To be accepted once more, by the same.
        (StepKind.OVERRIDE, OF_ANA, booking(Status.ASSIGNED), [("offered", ANA, STARTS_AT)]),
        # Nobody who has not got it, or has it no longer, hears of its end or its move.
        (StepKind.TRANSITION, booking(Status.PENDING), ENDED, []),
        (StepKind.TRANSITION, booking(Status.REJECTED), ENDED, []),
        (StepKind.RESCHEDULED, booking(Status.PENDING), booking(Status.PENDING, starts_at=LATER), []),
        # The customer did not come: the provider has it until it is closed.
        (
            StepKind.TRANSITION,
            booking(Status.NO_SHOW, absent_party=Party.CUSTOMER),
            ENDED,
            [("cancelled", ANA, STARTS_AT)],
        ),
        (StepKind.TRANSITION, booking(Status.NO_SHOW, absent_party=Party.PROVIDER), ENDED, []),
    ],
)
def test_providers_are_told_by_who_had_it_and_who_has_it(
    kind: StepKind, before: BookingState, after: BookingState, expected: list[tuple[str, object, object]]
) -> None:
    notices = notices_of_step(step(kind, after, before=before), after)
    of_providers = [n for n in notices if n.audience is Audience.PROVIDER]
    assert [(n.kind, n.provider_id, n.starts_at) for n in of_providers] == expected
    assert len({n.key for n in notices}) == len(notices)


def test_nobody_is_told_who_is_not_there() -> None:
    assert notified(StepKind.TRANSITION, booking(Status.CANCELLED, provider_id=None)) == [
        ("cancelled", "customer")
    ]


@pytest.mark.parametrize("kind", [StepKind.FLAGGED, StepKind.ATTEMPT_FAILED])
def test_the_owner_is_told_when_a_booking_begins_to_need_attention(kind: StepKind) -> None:
    flagged = booking(needs_attention=True)
    assert notified(kind, flagged) == [("needs_attention", "owner")]
    assert notified(kind, flagged, was_flagged=True) == []


def test_a_failed_attempt_alone_is_nobody_s_concern() -> None:
    assert notified(StepKind.ATTEMPT_FAILED, booking()) == []


def test_a_no_show_that_ends_in_review_tells_the_owner() -> None:
    after = booking(Status.NO_SHOW, needs_attention=True, absent_party=Party.CUSTOMER)
    assert notified(StepKind.TRANSITION, after) == [("needs_attention", "owner")]


def test_the_key_of_a_notice_is_its_step_s_and_stays_the_same() -> None:
    after = booking(Status.CANCELLED, version=6)
    keys = [notice.key for notice in notices_of_step(step(StepKind.TRANSITION, after), after)]
    assert keys == [f"{BOOKING}/6/cancelled/customer", f"{BOOKING}/6/cancelled/provider"]


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
    due = reminder_due(state, reminders(state)[0], BEFORE)
    assert (due.booking_id, due.business_id) == (state.booking_id, state.business_id)
    assert [notice.audience for notice in due.notices] == audiences
    assert [notice.key for notice in due.notices] == [f"{due.key}/{audience}" for audience in audiences]
    assert {(notice.kind, notice.minutes_before, notice.starts_at) for notice in due.notices} == {
        (NoticeKind.REMINDER, 1440, STARTS_AT)
    }


def test_a_moved_booking_reminds_again_under_another_key() -> None:
    key = key_of_reminder(booking())
    assert key != key_of_reminder(booking(starts_at=LATER))
    assert key == key_of_reminder(booking(Status.ACCEPTED, version=9))


def test_a_reminder_s_key_is_the_same_however_the_offset_is_written() -> None:
    as_sent = datetime.fromisoformat("2026-03-05T07:00:00-05:00")
    assert as_sent == STARTS_AT
    assert key_of_reminder(booking(starts_at=as_sent)) == key_of_reminder(booking())


def key_of_reminder(state: BookingState) -> str:
    return reminder_due(state, Reminder(minutes_before=10, at=STARTS_AT), BEFORE).key


REMINDER = Notice(key="k", kind=NoticeKind.REMINDER, audience=Audience.CUSTOMER, starts_at=STARTS_AT)


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
    assert still_due(REMINDER, status, STARTS_AT, BEFORE) is due


def test_a_reminder_of_a_time_that_was_given_up_is_not_sent() -> None:
    assert not still_due(REMINDER, Status.ACCEPTED, LATER, BEFORE)


def test_a_reminder_that_comes_too_late_is_not_sent() -> None:
    assert not still_due(REMINDER, Status.ACCEPTED, STARTS_AT, STARTS_AT)
