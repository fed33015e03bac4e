"""How a status, a failed attempt, a flag and a move change a booking's state."""

from datetime import timedelta

import pytest

from domain.booking import BookingState
from domain.lifecycle import Party, Status
from domain.policies import Backoff, CustomerNoShow, Policy
from tests.support.domain.builders import ANA, BEN, LATER, NOW, STARTS_AT, booking

AT = NOW + timedelta(minutes=7)


@pytest.mark.parametrize("status", Status)
def test_every_step_counts_the_version_and_begins_a_phase(status: Status) -> None:
    before = booking(Status.ASSIGNED, needs_attention=True, next_attempt_at=NOW)
    after = before.entering(status, AT)
    assert (after.status, after.version, after.phase_since) == (status, before.version + 1, AT)


@pytest.mark.parametrize("status", [Status.ASSIGNED, Status.ACCEPTED, Status.IN_PROGRESS, Status.COMPLETED])
def test_a_step_forward_lowers_the_flag_and_plans_no_attempt(status: Status) -> None:
    after = booking(needs_attention=True, next_attempt_at=NOW).entering(status, AT)
    assert not after.needs_attention
    assert after.next_attempt_at is None


def test_a_step_leaves_the_state_it_came_from_alone() -> None:
    before = booking(Status.ASSIGNED)
    before.entering(Status.REJECTED, AT)
    assert before == booking(Status.ASSIGNED)


def test_pending_begins_a_round_at_once() -> None:
    after = booking(Status.CANCELLED, attempt=4).entering(Status.PENDING, AT)
    assert (after.attempt, after.next_attempt_at) == (0, AT)


def test_an_assignment_counts_as_an_attempt() -> None:
    assert booking(attempt=2).entering(Status.ASSIGNED, AT).attempt == 3


def test_an_acceptance_is_remembered_for_good() -> None:
    accepted = booking(Status.ASSIGNED).entering(Status.ACCEPTED, AT)
    assert accepted.accepted_once
    assert accepted.entering(Status.NO_SHOW, AT, absent_party=Party.PROVIDER).accepted_once


def test_a_rejection_remembers_who_refused_and_waits_for_the_next_attempt() -> None:
    after = booking(Status.ASSIGNED, attempt=1).entering(Status.REJECTED, AT)
    assert after.refused_provider_ids == (ANA,)
    assert after.next_attempt_at == AT + timedelta(seconds=2)


def test_a_provider_who_refuses_twice_is_remembered_once() -> None:
    after = booking(Status.ASSIGNED, refused_provider_ids=(BEN, ANA)).entering(Status.REJECTED, AT)
    assert after.refused_provider_ids == (BEN, ANA)


def test_a_rejection_with_nobody_assigned_refuses_for_nobody() -> None:
    assert booking(provider_id=None).entering(Status.REJECTED, AT).refused_provider_ids == ()


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (3, 8)])
def test_a_failed_attempt_plans_the_next_one_after_its_wait(attempt: int, seconds: int) -> None:
    after = booking(attempt=attempt - 1).assignment_failed(AT)
    assert (after.attempt, after.next_attempt_at) == (attempt, AT + timedelta(seconds=seconds))
    assert not after.needs_attention


@pytest.mark.parametrize("how", ["fails", "is rejected", "is stood up"])
def test_when_attempts_run_out_the_booking_is_flagged(how: str) -> None:
    policy = Policy(backoff=Backoff(attempts=3))
    last: dict[str, BookingState] = {
        "fails": booking(policy=policy, attempt=2).assignment_failed(AT),
        "is rejected": booking(Status.ASSIGNED, policy=policy, attempt=3).entering(Status.REJECTED, AT),
        "is stood up": booking(Status.IN_PROGRESS, policy=policy, attempt=3).entering(
            Status.NO_SHOW, AT, absent_party=Party.PROVIDER
        ),
    }
    assert last[how].needs_attention
    assert last[how].next_attempt_at is None


def test_a_provider_s_absence_goes_back_to_assignment_without_them() -> None:
    after = booking(Status.IN_PROGRESS).entering(Status.NO_SHOW, AT, absent_party=Party.PROVIDER)
    assert after.refused_provider_ids == (ANA,)
    assert after.next_attempt_at == AT + timedelta(seconds=2)
    assert not after.needs_attention


@pytest.mark.parametrize(("rule", "flagged"), [(CustomerNoShow.CANCEL, False), (CustomerNoShow.REVIEW, True)])
def test_a_customer_s_absence_follows_the_business_s_policy(rule: CustomerNoShow, flagged: bool) -> None:
    before = booking(Status.IN_PROGRESS, policy=Policy(customer_no_show=rule))
    after = before.entering(Status.NO_SHOW, AT, absent_party=Party.CUSTOMER)
    assert after.needs_attention is flagged
    assert after.next_attempt_at is None
    assert after.refused_provider_ids == ()


def test_a_no_show_of_nobody_in_particular_needs_a_person() -> None:
    assert booking(Status.IN_PROGRESS).entering(Status.NO_SHOW, AT).needs_attention


def test_the_absent_party_is_forgotten_when_the_booking_goes_on() -> None:
    absent = booking(Status.NO_SHOW, absent_party=Party.CUSTOMER)
    assert absent.entering(Status.CANCELLED, AT).absent_party is Party.CUSTOMER
    assert absent.entering(Status.ASSIGNED, AT).absent_party is None


def test_a_flag_stops_the_attempts_and_keeps_the_status() -> None:
    after = booking(next_attempt_at=NOW).flagged(AT)
    assert (after.status, after.needs_attention, after.next_attempt_at) == (Status.PENDING, True, None)
    assert after.version == booking().version + 1


@pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED])
def test_a_moved_booking_that_looks_for_a_provider_begins_a_new_round(status: Status) -> None:
    after = booking(status, attempt=4, needs_attention=True).rescheduled(AT, LATER, LATER + timedelta(hours=1))
    assert (after.status, after.attempt, after.next_attempt_at) == (status, 0, AT)
    assert not after.needs_attention


@pytest.mark.parametrize("status", [Status.ASSIGNED, Status.ACCEPTED])
def test_a_moved_booking_keeps_its_provider_and_gives_rejections_their_chances_back(status: Status) -> None:
    after = booking(status, attempt=3).rescheduled(AT, LATER, LATER + timedelta(hours=1))
    assert (after.status, after.provider_id, after.attempt) == (status, ANA, 1)
    assert after.next_attempt_at is None


def test_a_move_is_planned_anew_from_its_own_moment() -> None:
    after = booking(Status.ACCEPTED).rescheduled(AT, LATER, LATER + timedelta(hours=1))
    assert (after.starts_at, after.ends_at) == (LATER, LATER + timedelta(hours=1))
    assert after.planned_from == AT
    assert after.starts_at != STARTS_AT
