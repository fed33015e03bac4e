"""A command on its way: as its sender asks for it, under which id, and as it may be executed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from api.preconditions import versions_in
from db.repositories.idempotency import Key
from db.repositories.rows import Row
from domain.booking import Actor
from domain.callers import Caller
from domain.commands import BookingCommand
from domain.errors import PreconditionRequiredError
from domain.lifecycle import Command
from domain.steps import BookingRef
from runtime.ids import new_id
from runtime.json import to_json

_HALF = 32
_NEEDS_VERSION: Final = frozenset({Command.RESCHEDULE, Command.OVERRIDE})
"""Commands that may undo a change which their sender has not seen."""


def expected_by(kind: Command, tags: str) -> frozenset[int] | None:
    """The versions of the booking for which a command is meant, by the entity tags sent with it; none: any.

    Raises:
        PreconditionRequiredError: the command needs a tag, and there is none.
        InvalidRequestError: it is no entity tag.
    """
    if not tags and kind in _NEEDS_VERSION:
        raise PreconditionRequiredError
    return versions_in(tags)


@dataclass(frozen=True, slots=True)
class CommandId:
    """What tells a command from every other: its sender with their key, and what is asked."""

    key: str
    digest: str

    def __str__(self) -> str:
        return self.key + self.digest


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command as its sender asks for it."""

    booking_id: UUID
    command_type: type[BookingCommand]
    key: str | None = None
    """The sender's `Idempotency-Key`."""
    expected: frozenset[int] | None = None
    """The versions of the booking that it is meant for; none: any."""
    reason: str | None = None
    particulars: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Command:
        """What is asked of the booking."""
        return self.command_type.kind

    def id_for(self, caller: Caller) -> CommandId:
        """The command's id: the sender's key makes a repeated command the same command, and only theirs."""
        sender = hashlib.sha256(f"{caller.id}/{self.kind}/{self.key or new_id()}".encode()).hexdigest()
        asked = hashlib.sha256(to_json([self.reason, dict(self.particulars)])).hexdigest()
        return CommandId(sender[:_HALF], asked[:_HALF])

    def idempotency_key(self, caller_name: str, command_id: CommandId) -> Key | None:
        """The sender's key: those of different callers, commands and bookings never meet."""
        if self.key is None:
            return None
        return Key(f"{caller_name}/{self.kind}/{self.booking_id}", self.key, command_id.digest)


@dataclass(frozen=True, slots=True)
class AuthorizedCommand:
    """A command that its sender may give, as far as the API can tell."""

    request: CommandRequest
    row: Row
    """The booking before it."""
    actor: Actor

    @property
    def ref(self) -> BookingRef:
        """The booking."""
        return BookingRef(booking_id=self.request.booking_id, business_id=self.row["business_id"])

    def command(self, command_id: CommandId, remark_id: UUID | None, correlation_id: str) -> BookingCommand:
        """The command as the engine takes it."""
        return self.request.command_type(
            actor=self.actor,
            command_id=str(command_id),
            remark_id=remark_id,
            correlation_id=correlation_id,
            expected_version=None if self.request.expected is None else self.row["version"],
            **self.request.particulars,
        )
