"""What happens next to a booking, computed from its state alone.

The workflow sets its timers and the API answers `/next` by the same functions, so the two cannot differ.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from domain.booking import BookingState
from domain.lifecycle import NOT_STARTED, UNASSIGNED, Party, Status


class Phase(StrEnum):
    AWAITING_PAYMENT = "awaiting_payment"
    """The customer has to pay before a provider is asked."""
    ASSIGNING = "assigning"
    """Holdfast looks for a provider."""
    AWAITING_ANSWER = "awaiting_answer"
    """A provider has the offer."""
    AWAITING_START = "awaiting_start"
    IN_PROGRESS = "in_progress"
    AWAITING_DECISION = "awaiting_decision"
    """Automatic assignment has stopped; the business or an admin decides how it goes on."""
    CLOSING = "closing"
    """The customer did not come; the booking is cancelled next."""
    ENDED = "ended"


class DeadlineKind(StrEnum):
    """What happens when the deadline passes with nobody acting."""

    NEXT_ATTEMPT = "next_attempt"
    PAYMENT_EXPIRES = "payment_expires"
    OFFER_EXPIRES = "offer_expires"
    BOOKING_EXPIRES = "booking_expires"
    OVERDUE = "overdue"


class Deadline(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: DeadlineKind
    at: datetime


class Reminder(BaseModel):
    model_config = ConfigDict(frozen=True)

    minutes_before: int
    at: datetime


def phase(state: BookingState) -> Phase:
    """The phase a booking is in."""
    if state.status in UNASSIGNED:
        return _phase_while_unassigned(state)
    return {
        Status.ASSIGNED: Phase.AWAITING_ANSWER,
        Status.ACCEPTED: Phase.AWAITING_START,
        Status.IN_PROGRESS: Phase.IN_PROGRESS,
    }.get(state.status, Phase.ENDED)


def _phase_while_unassigned(state: BookingState) -> Phase:
    if state.needs_attention:
        return Phase.AWAITING_DECISION
    if state.awaits_payment:
        return Phase.AWAITING_PAYMENT
    if state.status is Status.NO_SHOW and state.absent_party is Party.CUSTOMER:
        return Phase.CLOSING
    return Phase.ASSIGNING


def deadline(state: BookingState) -> Deadline | None:
    """The next moment at which the booking moves by itself, or none while it can only wait for a person."""
    candidates = (_own_deadline(state), _payment_deadline(state), _expiry(state))
    return min((d for d in candidates if d is not None), key=lambda d: d.at, default=None)


def _own_deadline(state: BookingState) -> Deadline | None:
    match phase(state):
        case Phase.ASSIGNING if state.next_attempt_at is not None:
            return Deadline(kind=DeadlineKind.NEXT_ATTEMPT, at=state.next_attempt_at)
        case Phase.AWAITING_ANSWER:
            timeout = timedelta(minutes=state.policy.offer_timeout_minutes)
            return Deadline(kind=DeadlineKind.OFFER_EXPIRES, at=state.phase_since + timeout)
        case Phase.AWAITING_START | Phase.IN_PROGRESS if not state.needs_attention:
            overdue = timedelta(minutes=state.policy.overdue_minutes)
            # Counted from the later of the two: a booking reopened long after its end is not overdue at once.
            return Deadline(kind=DeadlineKind.OVERDUE, at=max(state.ends_at, state.phase_since) + overdue)
    return None


def _payment_deadline(state: BookingState) -> Deadline | None:
    if not state.awaits_payment:
        return None
    at = state.planned_from + timedelta(minutes=state.policy.payment_minutes)
    return Deadline(kind=DeadlineKind.PAYMENT_EXPIRES, at=at)


def _expiry(state: BookingState) -> Deadline | None:
    waiting = state.status in UNASSIGNED or state.status is Status.ASSIGNED
    if state.accepted_once or not waiting:
        return None
    margin = timedelta(minutes=state.policy.expires_minutes_before)
    # A booking made or brought back inside the margin expires at its start; one made after its start never does.
    moments = (state.starts_at - margin, state.starts_at)
    at = next((moment for moment in moments if moment > state.planned_from), None)
    return None if at is None else Deadline(kind=DeadlineKind.BOOKING_EXPIRES, at=at)


def reminders(state: BookingState) -> list[Reminder]:
    """All reminders of the present appointment, the earliest first; none once it cannot take place."""
    if state.status not in NOT_STARTED:
        return []
    planned = [
        Reminder(minutes_before=minutes, at=state.starts_at - timedelta(minutes=minutes))
        for minutes in set(state.policy.reminder_minutes)
    ]
    return sorted((r for r in planned if r.at >= state.planned_from), key=lambda r: r.at)


def reminders_after(state: BookingState, now: datetime) -> list[Reminder]:
    """The reminders still to come."""
    return [reminder for reminder in reminders(state) if reminder.at > now]
