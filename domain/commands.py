"""The commands that a booking takes, one model each, and the rule that says which it takes when.

Reasons that people type may hold personal data, so a command carries only the id of the stored remark.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.booking import Actor, BookingState
from domain.errors import AppointmentBegunError, ForbiddenError, InvalidTransitionError, StaleError
from domain.lifecycle import Command, Party, Role, Status, allowed_from, command_fits, may_command
from domain.times import Moment


class BookingCommand(BaseModel):
    """What every command carries."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[Command]

    actor: Actor
    remark_id: UUID | None = None
    """The stored text that says why, written before the command is sent."""
    reason: str | None = None
    """A reason that is a code, as a cancellation in Temporal gives (`cancelled_in_temporal`)."""
    command_id: str | None = None
    """The sender's name for this command; it is stored with the step."""
    correlation_id: str | None = None
    expected_version: int | None = None
    """The version that the sender has read, and the only one that the command is meant for; none: any."""


def update_name(kind: Command) -> str:
    """The name of the workflow update that carries this kind of command."""
    return kind.replace("-", "_")


class Accept(BookingCommand):
    kind = Command.ACCEPT


class Reject(BookingCommand):
    kind = Command.REJECT


class Start(BookingCommand):
    kind = Command.START


class Complete(BookingCommand):
    kind = Command.COMPLETE


class NoShow(BookingCommand):
    kind = Command.NO_SHOW

    party: Party


class Cancel(BookingCommand):
    kind = Command.CANCEL


class Reschedule(BookingCommand):
    """Move to another time, and to another provider where one is named."""

    kind = Command.RESCHEDULE

    starts_at: Moment
    provider_id: UUID | None = None


class Assign(BookingCommand):
    kind = Command.ASSIGN

    provider_id: UUID


class Override(BookingCommand):
    """Set a status against the table of transitions. Admins only."""

    kind = Command.OVERRIDE

    status: Status


def check(state: BookingState, command: BookingCommand) -> None:
    """Refuse a command that a booking in this state cannot take.

    Raises:
        ForbiddenError: the role never may, or the provider is not this booking's.
        InvalidTransitionError: the status does not allow it; carries `current_status` and `allowed`.
        StaleError: the booking has moved on from the version that the sender has read.
    """
    if not may_command(command.actor.role, command.kind):
        raise ForbiddenError(f"A {command.actor.role} may not {command.kind} a booking.")
    if not command_fits(command.kind, state.status):
        raise refusal(command.kind, state.status)
    if command.actor.role is Role.PROVIDER and command.actor.provider_id != state.provider_id:
        raise ForbiddenError("This booking is with another provider.")
    if command.expected_version not in (None, state.version):
        raise StaleError


def check_at(state: BookingState, command: BookingCommand, at: datetime) -> None:
    """Refuse a command that a booking in this state cannot take at this time.

    Raises:
        HoldfastError: as `check`.
        AppointmentBegunError: it comes too late.
    """
    check(state, command)
    if is_too_late(command.kind, command.actor.role, state.starts_at, at):
        raise AppointmentBegunError


def is_too_late(kind: Command, role: Role, starts_at: datetime, at: datetime) -> bool:
    """Whether a customer moves an appointment that has begun; from its start on only the business may."""
    return kind is Command.RESCHEDULE and role is Role.CUSTOMER and at >= starts_at


def refusal(command: Command, status: Status) -> InvalidTransitionError:
    """The error for a command that does not fit the status; it names the statuses that may follow."""
    allowed = [str(candidate) for candidate in allowed_from(status)]
    return InvalidTransitionError(
        f"A booking that is {status} cannot take the command '{command}'.",
        current_status=str(status),
        allowed=allowed,
    )
