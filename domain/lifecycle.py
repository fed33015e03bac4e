"""The booking's lifecycle: its statuses, which may follow which, and who may ask for it.

This table is the contract. The workflow, the API and the tests read it; nobody repeats it.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Status(StrEnum):
    PENDING = "pending"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    REJECTED = "rejected"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"


class Role(StrEnum):
    """Who acts. `SYSTEM` is the booking's own workflow: it assigns, expires and times out."""

    CUSTOMER = "customer"
    PROVIDER = "provider"
    OWNER = "owner"
    ADMIN = "admin"
    SYSTEM = "system"


class Party(StrEnum):
    """The absent party of a no-show."""

    CUSTOMER = "customer"
    PROVIDER = "provider"


class Command(StrEnum):
    """What may be asked of a booking; the value is the last segment of its URL."""

    ACCEPT = "accept"
    REJECT = "reject"
    START = "start"
    COMPLETE = "complete"
    NO_SHOW = "no-show"
    CANCEL = "cancel"
    RESCHEDULE = "reschedule"
    ASSIGN = "assign"
    OVERRIDE = "override"


TRANSITIONS: Final = MappingProxyType(
    {
        Status.PENDING: frozenset({Status.ASSIGNED, Status.CANCELLED}),
        Status.ASSIGNED: frozenset({Status.ACCEPTED, Status.REJECTED, Status.CANCELLED}),
        Status.ACCEPTED: frozenset({Status.IN_PROGRESS, Status.CANCELLED}),
        Status.IN_PROGRESS: frozenset({Status.COMPLETED, Status.NO_SHOW, Status.CANCELLED}),
        Status.REJECTED: frozenset({Status.ASSIGNED, Status.CANCELLED}),
        Status.NO_SHOW: frozenset({Status.ASSIGNED, Status.CANCELLED}),
        Status.COMPLETED: frozenset(),
        Status.CANCELLED: frozenset(),
    }
)

TERMINAL: Final = frozenset(status for status, following in TRANSITIONS.items() if not following)

UNASSIGNED: Final = frozenset({Status.PENDING, Status.REJECTED, Status.NO_SHOW})
"""Statuses in which the booking looks for a provider."""

NOT_STARTED: Final = frozenset({Status.PENDING, Status.ASSIGNED, Status.ACCEPTED, Status.REJECTED})
"""Statuses in which the appointment still lies ahead: it can be moved, and reminders are worth sending."""

HOLDS_TIME: Final = frozenset({Status.ASSIGNED, Status.ACCEPTED, Status.IN_PROGRESS})
"""Statuses in which the provider's time must be reserved."""

HAS_PROVIDER: Final = HOLDS_TIME | {Status.COMPLETED}
"""Statuses in which the booking is with the provider whom it names."""

RELEASES_TIME: Final = frozenset({Status.REJECTED, Status.NO_SHOW, Status.CANCELLED})
"""Statuses that give the provider's time back. The others keep whatever is reserved."""

TARGETS: Final = MappingProxyType(
    {
        Command.ACCEPT: Status.ACCEPTED,
        Command.REJECT: Status.REJECTED,
        Command.START: Status.IN_PROGRESS,
        Command.COMPLETE: Status.COMPLETED,
        Command.NO_SHOW: Status.NO_SHOW,
        Command.CANCEL: Status.CANCELLED,
        Command.ASSIGN: Status.ASSIGNED,
    }
)
"""The status that a command leads to. Reschedule leads to none; an override names its own."""

_STAFF: Final = frozenset({Role.PROVIDER, Role.OWNER, Role.ADMIN})
MANAGERS: Final = frozenset({Role.OWNER, Role.ADMIN})
"""Who runs a business: owners and admins."""

PERMITTED_ROLES: Final = MappingProxyType(
    {
        Command.ACCEPT: _STAFF,
        Command.REJECT: _STAFF,
        Command.START: _STAFF,
        Command.COMPLETE: _STAFF,
        Command.NO_SHOW: _STAFF,
        Command.CANCEL: frozenset({Role.CUSTOMER}) | MANAGERS,
        Command.RESCHEDULE: frozenset({Role.CUSTOMER}) | MANAGERS,
        Command.ASSIGN: MANAGERS,
        Command.OVERRIDE: frozenset({Role.ADMIN}),
    }
)


def is_terminal(status: Status) -> bool:
    """Whether nothing but an admin's override follows."""
    return status in TERMINAL


def allowed_from(status: Status) -> list[Status]:
    """The statuses that may follow, in the order the table lists them."""
    return [candidate for candidate in Status if candidate in TRANSITIONS[status]]


def may_follow(old: Status, new: Status) -> bool:
    """Whether the table has a step from `old` to `new`."""
    return new in TRANSITIONS[old]


def may_command(role: Role, command: Command) -> bool:
    """Whether a role may ever give this command. Whose booking it is, the caller checks."""
    return role in PERMITTED_ROLES[command]


def command_fits(command: Command, status: Status) -> bool:
    """Whether the command is possible in this status, whoever gives it."""
    if command is Command.OVERRIDE:
        return True
    if command is Command.RESCHEDULE:
        return status in NOT_STARTED
    return may_follow(status, TARGETS[command])
