"""What a command, once it has passed its check, does to a booking: the state after it and what it does to time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.booking import SYSTEM, Actor, BookingState
from domain.commands import Assign, BookingCommand, NoShow, Override, Reschedule
from domain.lifecycle import HOLDS_TIME, RELEASES_TIME, TARGETS, Role, Status
from domain.payments import PaymentGate
from domain.steps import Hold, StepKind


@dataclass(frozen=True, slots=True)
class Decision:
    """A step that has been decided on but not recorded."""

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
    """A provider who is named, or who has the booking, must be free then; else the best one is found."""
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
    # Without a provider's time there is nothing to move: the next attempt looks for one at the new time.
    return Hold.CHOOSE if state.holds_time else Hold.KEEP


def _override(state: BookingState, command: Override, at: datetime) -> Decision:
    # A new round: its first attempt is the one to come, or the one that the override stands for.
    attempt = 0 if command.status in (Status.PENDING, Status.ASSIGNED) else 1
    changes: dict[str, Any] = {"planned_from": at, "attempt": attempt, "absent_party": None}
    if command.status is Status.PENDING and not state.holds_time:
        changes["provider_id"] = None
    if command.status is Status.PENDING and state.status is Status.CANCELLED and state.payment is not None:
        # Its end has settled the payment, or is about to. The gateway is asked what is left (`reactions`), and
        # if that is nothing, the customer pays anew. Whoever overrides to a later status goes ahead without.
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
