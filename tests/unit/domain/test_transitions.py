"""The result of each command: the next state, and the change to the provider's reserved time."""

from datetime import timedelta

import pytest

from domain.booking import Actor, BookingState
from domain.lifecycle import Command, Party, Status
from domain.steps import Hold, StepKind
from domain.transitions import Decision, decide
from tests.support.domain import contract
from tests.support.domain.builders import (
    ADMIN,
    ANA,
    BEN,
    CUSTOMER,
    LATER,
    NOW,
    OWNER,
    PROVIDER,
    REMARK,
    booking,
    command,
)

AT = NOW + timedelta(hours=1)


def decided(state: BookingState, kind: Command, by: Actor = ADMIN, **particulars: object) -> Decision:
    """The decision on a command given an hour later."""
    return decide(state, command(kind, by, **particulars), AT)


@pytest.mark.parametrize(
    ("kind", "status", "hold"),
    [
        (Command.ACCEPT, Status.ASSIGNED, Hold.KEEP),
        (Command.REJECT, Status.ASSIGNED, Hold.RELEASE),
        (Command.START, Status.ACCEPTED, Hold.KEEP),
        (Command.COMPLETE, Status.IN_PROGRESS, Hold.KEEP),
        (Command.NO_SHOW, Status.IN_PROGRESS, Hold.RELEASE),
        (Command.CANCEL, Status.ACCEPTED, Hold.RELEASE),
        (Command.ASSIGN, Status.REJECTED, Hold.FORCE),
    ],
)
def test_each_command_leads_to_its_status(kind: Command, status: Status, hold: Hold) -> None:
    decision = decided(booking(status), kind)
    assert decision.kind is StepKind.TRANSITION
    assert (decision.after.status, decision.hold) == (contract.LEADS_TO[kind], hold)
    assert decision.after.version == booking().version + 1
    assert decision.after.phase_since == AT


def test_the_actor_and_the_reason_go_along() -> None:
    decision = decided(booking(Status.ASSIGNED), Command.CANCEL, CUSTOMER, reason="expired", remark_id=REMARK)
    assert (decision.actor, decision.reason) == (CUSTOMER, "expired")


@pytest.mark.parametrize("party", Party)
def test_a_no_show_names_the_absent_party(party: Party) -> None:
    decision = decided(booking(Status.IN_PROGRESS), Command.NO_SHOW, party=party)
    assert decision.after.absent_party is party


def test_an_assignment_by_hand_begins_a_new_round_with_the_named_provider() -> None:
    state = booking(Status.REJECTED, attempt=4, needs_attention=True, refused_provider_ids=(BEN,))
    after = decided(state, Command.ASSIGN, OWNER, provider_id=BEN).after
    assert (after.provider_id, after.attempt, after.needs_attention) == (BEN, 1, False)
    assert after.refused_provider_ids == (BEN,)


def test_a_move_keeps_the_length_of_the_appointment() -> None:
    state = booking(Status.ACCEPTED, ends_at=booking().starts_at + timedelta(minutes=95))
    decision = decided(state, Command.RESCHEDULE)
    assert decision.kind is StepKind.RESCHEDULED
    assert decision.after.status is Status.ACCEPTED
    assert decision.after.starts_at == LATER
    assert decision.after.ends_at == LATER + timedelta(minutes=95)


@pytest.mark.parametrize("status", [Status.ASSIGNED, Status.ACCEPTED])
@pytest.mark.parametrize(("by", "hold"), [(CUSTOMER, Hold.TAKE), (OWNER, Hold.FORCE), (ADMIN, Hold.FORCE)])
def test_a_move_needs_the_provider_s_hours_unless_the_desk_decides(status: Status, by: Actor, hold: Hold) -> None:
    decision = decided(booking(status), Command.RESCHEDULE, by)
    assert (decision.after.provider_id, decision.hold) == (ANA, hold)


def test_a_move_to_a_named_provider_takes_that_provider_s_time() -> None:
    decision = decided(booking(Status.ACCEPTED), Command.RESCHEDULE, CUSTOMER, provider_id=BEN)
    assert (decision.after.provider_id, decision.hold) == (BEN, Hold.TAKE)


@pytest.mark.parametrize(("holds_time", "hold"), [(True, Hold.CHOOSE), (False, Hold.KEEP)])
@pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED])
def test_a_move_of_a_booking_without_a_provider_swaps_only_what_it_holds(
    status: Status, holds_time: bool, hold: Hold
) -> None:
    decision = decided(booking(status, holds_time=holds_time), Command.RESCHEDULE, CUSTOMER)
    assert decision.hold is hold


@pytest.mark.parametrize("target", Status)
@pytest.mark.parametrize("status", Status)
def test_an_override_reaches_any_status_from_any(status: Status, target: Status) -> None:
    state = booking(status, needs_attention=True)
    decision = decided(state, Command.OVERRIDE, status=target)
    assert (decision.kind, decision.after.status) == (StepKind.OVERRIDE, target)
    assert decision.after.version == state.version + 1
    assert decision.after.planned_from == AT


@pytest.mark.parametrize("target", ["assigned", "accepted", "in_progress"])
@pytest.mark.parametrize(
    ("holds_time", "provider_id", "hold"),
    [(True, ANA, Hold.KEEP), (False, ANA, Hold.FORCE), (False, None, Hold.CHOOSE)],
)
def test_an_override_to_a_status_that_needs_time_reserves_what_is_missing(
    target: str, holds_time: bool, provider_id: object, hold: Hold
) -> None:
    state = booking(Status.CANCELLED, holds_time=holds_time, provider_id=provider_id)
    assert decided(state, Command.OVERRIDE, status=Status(target)).hold is hold


@pytest.mark.parametrize("target", ["rejected", "no_show", "cancelled"])
def test_an_override_to_a_status_that_releases_time_gives_it_back(target: str) -> None:
    assert decided(booking(Status.ACCEPTED), Command.OVERRIDE, status=Status(target)).hold is Hold.RELEASE


def test_an_override_to_completed_leaves_the_time_as_it_was() -> None:
    decision = decided(booking(Status.CANCELLED), Command.OVERRIDE, status=Status.COMPLETED)
    assert decision.hold is Hold.KEEP


def test_an_override_to_pending_looks_for_anybody_unless_time_is_held() -> None:
    freed = decided(booking(Status.CANCELLED, holds_time=False), Command.OVERRIDE, status=Status.PENDING)
    assert (freed.after.provider_id, freed.after.next_attempt_at, freed.after.attempt) == (None, AT, 0)
    held = decided(booking(Status.ACCEPTED), Command.OVERRIDE, status=Status.PENDING)
    assert held.after.provider_id == ANA


def test_a_provider_who_rejects_is_remembered() -> None:
    after = decided(booking(Status.ASSIGNED), Command.REJECT, PROVIDER).after
    assert after.refused_provider_ids == (ANA,)
    assert after.next_attempt_at == AT + timedelta(seconds=2)
