"""Invariants of a booking after each step of any sequence.

A machine gives random commands and lets the engine act at its deadlines, as the workflow does, on states alone.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain import timeline
from domain.booking import Actor, BookingState
from domain.commands import BookingCommand, check
from domain.errors import HoldfastError
from domain.lifecycle import HOLDS_TIME, RELEASES_TIME, Command, Party, Role, Status, is_terminal
from domain.policies import Backoff, CustomerNoShow, Policy
from domain.steps import Hold, StepKind
from domain.timeline import DeadlineKind, Phase
from domain.transitions import Decision, decide
from tests.support.domain import contract
from tests.support.domain.builders import ANA, BEN, CHO, NOW, booking, command

PROVIDERS = (ANA, BEN, CHO)

policies = st.builds(
    Policy,
    backoff=st.builds(Backoff, base_seconds=st.just(2.0), attempts=st.integers(1, 6)),
    offer_timeout_minutes=st.integers(1, 10_000),
    expires_minutes_before=st.sampled_from([0, 60, 10_000]),
    customer_no_show=st.sampled_from(CustomerNoShow),
)
particulars = st.fixed_dictionaries(
    {
        "party": st.sampled_from(Party),
        "status": st.sampled_from(Status),
        "provider_id": st.sampled_from(PROVIDERS),
        "starts_at": st.timedeltas(timedelta(minutes=1), timedelta(days=60)).map(lambda ahead: NOW + ahead),
    }
)
PARTICULARS_OF = {
    Command.NO_SHOW: {"party"},
    Command.OVERRIDE: {"status"},
    Command.ASSIGN: {"provider_id"},
    Command.RESCHEDULE: {"starts_at"},
}


class BookingLife(RuleBasedStateMachine):
    """One booking from its creation on."""

    state: BookingState
    now: datetime

    @initialize(policy=policies, held=st.booleans())
    def create(self, policy: Policy, held: bool) -> None:
        self.now = NOW
        self.state = booking(
            version=1,
            attempt=0,
            policy=policy,
            next_attempt_at=NOW,
            holds_time=held,
            provider_id=ANA if held else None,
        )

    @rule(
        kind=st.sampled_from(Command), role=st.sampled_from(Role), who=st.sampled_from(PROVIDERS), how=particulars
    )
    def somebody_gives_a_command(self, kind: Command, role: Role, who: UUID, how: dict[str, Any]) -> None:
        chosen = {name: how[name] for name in PARTICULARS_OF.get(kind, ())}
        by = Actor(role=role, provider_id=who if role is Role.PROVIDER else None)
        given = command(kind, by, **chosen)
        before = self.state
        try:
            check(before, given)
        except HoldfastError:
            assert self.state == before
            return
        self.now += timedelta(seconds=1)
        self._record(decide(before, given, self.now), given)

    @precondition(lambda self: timeline.deadline(self.state) is not None)
    @rule(somebody_is_free=st.booleans(), who=st.sampled_from(PROVIDERS))
    def the_deadline_passes(self, somebody_is_free: bool, who: UUID) -> None:
        due = timeline.deadline(self.state)
        assert due is not None
        self.now = max(self.now, due.at)
        match due.kind:
            case DeadlineKind.NEXT_ATTEMPT:
                self._attempt(somebody_is_free, who)
            case DeadlineKind.OFFER_EXPIRES:
                self._move(Status.REJECTED)
            case DeadlineKind.BOOKING_EXPIRES:
                self._move(Status.CANCELLED)
            case DeadlineKind.OVERDUE:
                self._record(Decision(kind=StepKind.FLAGGED, after=self.state.flagged(self.now)))

    @precondition(lambda self: timeline.phase(self.state) is Phase.CLOSING)
    @rule()
    def a_customer_who_did_not_come_ends_it(self) -> None:
        self._move(Status.CANCELLED)

    def _attempt(self, somebody_is_free: bool, who: UUID) -> None:
        state = self.state
        if state.holds_time:
            self._move(Status.ASSIGNED)
        elif somebody_is_free and who not in state.refused_provider_ids:
            after = state.entering(Status.ASSIGNED, self.now, provider_id=who)
            self._record(Decision(kind=StepKind.TRANSITION, after=after, hold=Hold.CHOOSE))
        else:
            self._record(Decision(kind=StepKind.ATTEMPT_FAILED, after=state.assignment_failed(self.now)))

    def _move(self, status: Status) -> None:
        hold = Hold.RELEASE if status in RELEASES_TIME else Hold.KEEP
        after = self.state.entering(status, self.now)
        self._record(Decision(kind=StepKind.TRANSITION, after=after, hold=hold))

    def _record(self, decision: Decision, given: BookingCommand | None = None) -> None:
        """What the database does with a step, and what must be true of every one."""
        before, after = self.state, decision.after
        assert after.version == before.version + 1
        assert after.phase_since == self.now
        assert set(before.refused_provider_ids) <= set(after.refused_provider_ids)
        _check_the_step_is_legal(decision.kind, before.status, after.status)
        holds = after.holds_time if decision.hold is Hold.KEEP else decision.hold is not Hold.RELEASE
        provider_id = after.provider_id
        if decision.hold is Hold.CHOOSE and provider_id is None:
            provider_id = ANA
        self.state = after.model_copy(update={"holds_time": holds, "provider_id": provider_id})

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert 0 <= self.state.attempt <= self.state.policy.backoff.attempts

    @invariant()
    def nobody_is_remembered_twice_for_refusing(self) -> None:
        refused = self.state.refused_provider_ids
        assert len(refused) == len(set(refused))

    @invariant()
    def who_has_the_booking_has_their_time_reserved(self) -> None:
        if self.state.status in HOLDS_TIME:
            assert self.state.holds_time
            assert self.state.provider_id is not None

    @invariant()
    def no_booking_is_dropped_in_silence(self) -> None:
        """An open booking has a moment at which it moves by itself, or somebody has been called."""
        if is_terminal(self.state.status) or timeline.phase(self.state) is Phase.CLOSING:
            return
        assert timeline.deadline(self.state) is not None or self.state.needs_attention

    @invariant()
    def when_attempts_run_out_somebody_is_called(self) -> None:
        if timeline.phase(self.state) is Phase.ASSIGNING:
            assert self.state.next_attempt_at is not None

    @invariant()
    def an_attempt_is_planned_only_while_a_provider_is_looked_for(self) -> None:
        if self.state.next_attempt_at is not None:
            assert self.state.status in {"pending", "rejected", "no_show"}
            assert not self.state.needs_attention

    @invariant()
    def what_has_ended_waits_for_nothing(self) -> None:
        if is_terminal(self.state.status):
            assert timeline.deadline(self.state) is None
            assert timeline.reminders(self.state) == []

    @invariant()
    def an_appointment_ends_after_it_starts(self) -> None:
        assert self.state.ends_at - self.state.starts_at == timedelta(hours=1)

    @invariant()
    def the_state_survives_being_sent(self) -> None:
        assert BookingState.model_validate_json(self.state.model_dump_json()) == self.state


def _check_the_step_is_legal(kind: StepKind, old: Status, new: Status) -> None:
    match kind:
        case StepKind.OVERRIDE:
            return
        case StepKind.TRANSITION:
            assert new in contract.FOLLOWING[old], f"{old} → {new}"
        case _:
            assert new is old


TestBookingLife = BookingLife.TestCase
TestBookingLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
