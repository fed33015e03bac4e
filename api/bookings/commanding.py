"""Giving a command to a booking: whose it is, as whom, and through the engine."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api.deps import Parts
from db.engine import autocommit
from db.repositories import bookings, remarks
from db.repositories.bookings import Reach
from db.repositories.rows import Row
from domain.access import (
    Principal,
    actor_for_command,
    actors_for,
    businesses_run_by,
    providers_acted_as_by,
)
from domain.booking import BookingState
from domain.commands import BookingCommand, check, refusal
from domain.errors import (
    EngineUnavailableError,
    ForbiddenError,
    HoldfastError,
    IdempotencyMismatchError,
    InvalidTransitionError,
    NotFoundError,
)
from domain.lifecycle import Command, Status, is_terminal
from domain.steps import BookingRef
from runtime.ids import new_id
from runtime.json import to_json

CommandMaker = Callable[..., BookingCommand]

_HALF = 32


@dataclass(frozen=True, slots=True)
class CommandId:
    """The name of a command: what its sender called it, and what was asked."""

    key: str
    digest: str

    def __str__(self) -> str:
        return self.key + self.digest


def reach_of(principal: Principal) -> Reach:
    """Whose bookings they may see."""
    return Reach(
        business_ids=businesses_run_by(principal),
        provider_ids=providers_acted_as_by(principal),
        user_id=principal.user_id,
    )


async def find_booking(parts: Parts, principal: Principal, booking_id: UUID) -> Row:
    """The booking, if the principal may see it.

    Raises:
        NotFoundError: there is none, or it is somebody else's; the answer does not tell which.
    """
    async with autocommit(parts.engine) as conn:
        row = await bookings.find(conn, reach_of(principal), booking_id)
    if row is None:
        raise NotFoundError(f"There is no booking {booking_id}.")
    return row


async def give_command(
    parts: Parts,
    principal: Principal,
    booking_id: UUID,
    make: CommandMaker,
    *,
    kind: Command,
    request_id: str,
    idempotency_key: str | None = None,
    reason: str | None = None,
    **particulars: Any,
) -> Row:
    """Carry out a command and return the booking after it.

    Raises:
        HoldfastError: not found, forbidden, refused by the booking, or the engine is away.
    """
    command_id = _command_id(principal, kind, idempotency_key, [reason, particulars])
    if idempotency_key is not None and (done := await _applied(parts, booking_id, command_id)):
        return done
    row = await find_booking(parts, principal, booking_id)
    actor = actor_for_command(_actors(principal, row), kind)
    # What has ended is not woken only to say no.
    if is_terminal(Status(row["status"])) and kind is not Command.OVERRIDE:
        raise refusal(kind, Status(row["status"]))
    command = make(
        actor=actor,
        command_id=str(command_id),
        remark_id=await _remark(parts, row, reason),
        correlation_id=request_id,
        **particulars,
    )
    ref = BookingRef(booking_id=booking_id, business_id=row["business_id"])
    try:
        state = await parts.gateway.execute(ref, command, str(command_id))
    except (ForbiddenError, InvalidTransitionError):
        await _require_agreement(parts, ref, command)
        raise
    return {**row, **_moved(state)}


async def _require_agreement(parts: Parts, ref: BookingRef, command: BookingCommand) -> None:
    """Let a refusal stand only if the projection refuses too.

    A worker that dies between a commit and Temporal's hearing of it leaves a workflow that remembers less than is
    stored, until it gets its next turn; what it refuses meanwhile it may take then.
    """
    async with autocommit(parts.engine) as conn:
        stored = await bookings.find_state(conn, ref.business_id, ref.booking_id)
    if stored is None:
        return
    try:
        check(stored, command)
    except HoldfastError:
        return
    raise EngineUnavailableError("The booking's workflow is catching up after a crash. Try again soon.")


async def _applied(parts: Parts, booking_id: UUID, command_id: CommandId) -> Row | None:
    """The booking, where this command was applied before and only its answer was lost.

    Raises:
        IdempotencyMismatchError: the key was used for this command with other particulars.
    """
    async with autocommit(parts.engine) as conn:
        row = await bookings.find_applied(conn, booking_id, command_id.key)
    if row is not None and row["command_id"] != str(command_id):
        raise IdempotencyMismatchError
    return row


def _moved(state: BookingState) -> dict[str, Any]:
    """The columns that a step changes, as the command left them: the booking may have gone on since."""
    return {
        "status": state.status,
        "version": state.version,
        "provider_id": state.provider_id,
        "starts_at": state.starts_at,
        "ends_at": state.ends_at,
        "needs_attention": state.needs_attention,
        "updated_at": state.phase_since,
    }


def _actors(principal: Principal, row: Row) -> list[Any]:
    return actors_for(
        principal,
        row["id"],
        business_id=row["business_id"],
        provider_id=row["provider_id"],
        customer_user_id=row["customer_user_id"],
    )


async def _remark(parts: Parts, row: Row, reason: str | None) -> UUID | None:
    if reason is None:
        return None
    async with autocommit(parts.engine) as conn:
        return await remarks.add(conn, row["business_id"], row["id"], reason)


def _command_id(principal: Principal, kind: Command, idempotency_key: str | None, asked: object) -> CommandId:
    """The command's name: the caller's key makes a repeated command the same command, and only theirs."""
    key = idempotency_key or str(new_id())
    sender = hashlib.sha256(f"{principal.user_id}/{kind}/{key}".encode()).hexdigest()
    return CommandId(sender[:_HALF], hashlib.sha256(to_json(asked)).hexdigest()[:_HALF])
