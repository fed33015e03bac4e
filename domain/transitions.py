"""What a valid command does to a booking: the state after it, and what becomes of the provider's time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.booking import SYSTEM, Actor, BookingState
from domain.commands import Assign, BookingCommand, NoShow, Override, Reschedule
from domain.lifecycle import HOLDS_TIME, RELEASES_TIME, TARGETS, Role, Status
from domain.payments import PaymentGate
from domain.steps import FormerJob, Hold, Step, StepKind


@dataclass(frozen=True, slots=True)
class Decision:
    """A step that is decided and not yet recorded."""

    kind: StepKind
    after: BookingState
    hold: Hold = Hold.KEEP
    actor: Actor = SYSTEM
    reason: str | None = None


def decide(state: BookingState, command: BookingCommand, at: datetime) -> Decision:
    """The step that a valid command leads to."""
    match command:
        case Reschedule():
            return _reschedule(state, command, at)
        case Override():
            return _override(state, command, at)
        case Assign():
            after = state.entering(Status.ASSIGNED, at, provider_id=command.provider_id, attempt=0)
            return _decision(command, StepKind.TRANSITION, after, Hold.FORCE)
        case NoShow():
            after = state.entering(Status.NO_SHOW, at, absent_party=command.party)
            return _decision(command, StepKind.TRANSITION, after, Hold.RELEASE)
        case _:
            target = TARGETS[command.kind]
            hold = Hold.RELEASE if target in RELEASES_TIME else Hold.KEEP
            return _decision(command, StepKind.TRANSITION, state.entering(target, at), hold)


def _reschedule(state: BookingState, command: Reschedule, at: datetime) -> Decision:
    """A provider who is named, or who has the booking, must be free then; else the best one is chosen."""
    starts_at, duration = command.starts_at, state.ends_at - state.starts_at
    with_provider = command.provider_id is not None or state.status in HOLDS_TIME
    changes: dict[str, Any] = {"provider_id": command.provider_id or state.provider_id} if with_provider else {}
    if command.actor.role is Role.CUSTOMER and owes_fee(state, at):
        changes["fee_owed_since"] = state.fee_owed_since or at
    after = state.rescheduled(at, starts_at, starts_at + duration, **changes)
    return _decision(command, StepKind.RESCHEDULED, after, _hold_when_moving(state, command, with_provider))


def owes_fee(state: BookingState, at: datetime) -> bool:
    """Whether a customer who cancels at `at` owes the policy's fee."""
    return state.policy.cancellation.fee_percent > 0 and at >= state.free_until


def _hold_when_moving(state: BookingState, command: Reschedule, with_provider: bool) -> Hold:
    if with_provider:
        at_the_desk = command.actor.role in (Role.OWNER, Role.ADMIN)
        return Hold.FORCE if at_the_desk else Hold.TAKE
    # Without a provider's time there is nothing to move: the next attempt chooses one for the new time.
    return Hold.CHOOSE if state.holds_time else Hold.KEEP


def _override(state: BookingState, command: Override, at: datetime) -> Decision:
    # A new round of attempts. An override to a later status counts as its first.
    attempt = 0 if command.status in (Status.PENDING, Status.ASSIGNED) else 1
    changes: dict[str, Any] = {"planned_from": at, "attempt": attempt, "absent_party": None}
    if command.status is Status.PENDING and not state.holds_time:
        changes["provider_id"] = None
    if command.status is Status.PENDING and state.status is Status.CANCELLED and state.payment is not None:
        # The booking's end has settled its payment, or is about to. The effect rules ask the gateway what is left;
        # if that is nothing, the customer pays anew. An override to a later status does not wait for a payment.
        changes["payment"] = PaymentGate.AWAITING
    after = state.entering(command.status, at, **changes)
    return _decision(command, StepKind.OVERRIDE, after, _hold_for(state, command.status))


def _hold_for(state: BookingState, target: Status) -> Hold:
    if target in RELEASES_TIME:
        return Hold.RELEASE
    if target not in HOLDS_TIME or state.holds_time:
        return Hold.KEEP
    return Hold.FORCE if state.provider_id is not None else Hold.CHOOSE


def _decision(command: BookingCommand, kind: StepKind, after: BookingState, hold: Hold) -> Decision:
    return Decision(kind=kind, after=after, hold=hold, actor=command.actor, reason=command.reason)


def step_of(before: BookingState, decision: Decision, command: BookingCommand | None, *, run_id: str) -> Step:
    """The step to record for a decision; its key tells it from every other decision of any run."""
    after = decision.after
    who = decision.actor.user_id or decision.actor.role
    why = (command and command.remark_id) or decision.reason
    what = f"{decision.kind}/{after.status}/{after.starts_at:%Y%m%dT%H%MZ}"
    return Step(
        kind=decision.kind,
        key=f"{run_id}/{what}/{who}/{why}/{command.command_id if command else None}",
        old_status=before.status,
        was_flagged=before.needs_attention,
        before=FormerJob(job_holder_id=before.job_holder_id, starts_at=before.starts_at),
        after=after,
        hold=decision.hold,
        at=after.phase_since,
        actor=decision.actor,
        reason=decision.reason,
        remark_id=command.remark_id if command else None,
        command_id=command.command_id if command else None,
        correlation_id=command.correlation_id if command else None,
    )
