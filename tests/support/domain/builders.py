"""States, commands and steps for tests of the rules: a booking in three days, an hour long."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from domain.booking import SYSTEM, Actor, BookingState
from domain.commands import (
    Accept,
    Assign,
    BookingCommand,
    Cancel,
    Complete,
    NoShow,
    Override,
    Reject,
    Reschedule,
    Start,
)
from domain.lifecycle import HOLDS_TIME, Command, Party, Role, Status
from domain.policies import Policy
from domain.steps import FormerJob, Hold, Step, StepKind

NOW: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
STARTS_AT: Final = NOW + timedelta(days=3)
LATER: Final = STARTS_AT + timedelta(days=1)

BOOKING: Final = UUID(int=1)
BUSINESS: Final = UUID(int=2)
SERVICE: Final = UUID(int=3)
ANA: Final = UUID(int=10)
BEN: Final = UUID(int=11)
CHO: Final = UUID(int=12)
USER: Final = UUID(int=20)
REMARK: Final = UUID(int=30)


def booking(status: Status = Status.PENDING, **changes: Any) -> BookingState:
    """A booking in this status, as it is after a first attempt at Ana."""
    values: dict[str, Any] = {
        "booking_id": BOOKING,
        "business_id": BUSINESS,
        "service_id": SERVICE,
        "status": status,
        "version": 5,
        "starts_at": STARTS_AT,
        "ends_at": STARTS_AT + timedelta(hours=1),
        "provider_id": ANA,
        "policy": Policy(),
        "phase_since": NOW,
        "attempt": 1,
        "holds_time": status in HOLDS_TIME,
        "planned_from": NOW,
    }
    return BookingState(**values | changes)


def actor(role: Role, **changes: Any) -> Actor:
    """Somebody in this role; a provider is Ana."""
    values: dict[str, Any] = {"user_id": USER, "provider_id": ANA if role is Role.PROVIDER else None}
    return Actor(role=role, **values | changes)


ADMIN: Final = actor(Role.ADMIN)
OWNER: Final = actor(Role.OWNER)
CUSTOMER: Final = actor(Role.CUSTOMER)
PROVIDER: Final = actor(Role.PROVIDER)


def command(kind: Command, by: Actor, **particulars: Any) -> BookingCommand:
    """A command of this kind with valid parameters."""
    match kind:
        case Command.NO_SHOW:
            return NoShow(**{"actor": by, "party": Party.PROVIDER} | particulars)
        case Command.RESCHEDULE:
            return Reschedule(**{"actor": by, "starts_at": LATER} | particulars)
        case Command.ASSIGN:
            return Assign(**{"actor": by, "provider_id": BEN} | particulars)
        case Command.OVERRIDE:
            return Override(**{"actor": by, "status": Status.CANCELLED} | particulars)
        case _:
            return _PLAIN[kind](**{"actor": by} | particulars)


_PLAIN: Final[dict[Command, type[BookingCommand]]] = {
    Command.ACCEPT: Accept,
    Command.REJECT: Reject,
    Command.START: Start,
    Command.COMPLETE: Complete,
    Command.CANCEL: Cancel,
}


def step(
    kind: StepKind, after: BookingState, *, was_flagged: bool = False, before: BookingState | None = None
) -> Step:
    """A step of this kind that led to the state, from the preceding status of the table."""
    old_status = after.status if kind is StepKind.RESCHEDULED else _BEFORE.get(after.status, Status.ACCEPTED)
    former = before and FormerJob(job_holder_id=before.job_holder_id, starts_at=before.starts_at)
    return Step(
        kind=kind,
        key="k",
        old_status=before.status if before else old_status,
        before=former,
        was_flagged=was_flagged,
        after=after,
        hold=Hold.KEEP,
        at=NOW,
        actor=SYSTEM,
    )


_BEFORE = {
    Status.ACCEPTED: Status.ASSIGNED,
    Status.ASSIGNED: Status.PENDING,
    Status.PENDING: Status.PENDING,
}
