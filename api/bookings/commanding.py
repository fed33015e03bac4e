"""Giving a command to a booking: whose it is, as whom, and through the engine."""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from api.bookings.lookup import find_booking
from api.deps import AppState
from api.request_context import RequestContext
from db.engine import autocommit
from db.repositories import bookings, remarks, unconfirmed
from db.repositories.rows import Row
from domain.access import actor_for_command, actors_for
from domain.booking import Actor, BookingState
from domain.businesses import require_taking_bookings
from domain.callers import Caller
from domain.commands import BookingCommand, check_at, is_too_late, refusal
from domain.errors import (
    AppointmentBegunError,
    EngineUnavailableError,
    ForbiddenError,
    HoldfastError,
    InvalidTransitionError,
    RepeatedCommandError,
    StaleError,
)
from domain.lifecycle import Command, Status, is_terminal
from domain.steps import BookingRef
from runtime.ids import new_id
from runtime.json import to_json

_HALF = 32
_REFUSED_BY_STATE = (ForbiddenError, InvalidTransitionError, StaleError, AppointmentBegunError)
"""Refusals that may come from a workflow that knows less than is stored."""


@dataclass(frozen=True, slots=True)
class CommandId:
    """The name of a command: what its sender called it, and what was asked."""

    key: str
    digest: str

    def __str__(self) -> str:
        return self.key + self.digest


@dataclass(frozen=True, slots=True)
class Order:
    """A command as its sender asks for it."""

    booking_id: UUID
    kind: Command
    make: Callable[..., BookingCommand]
    key: str | None = None
    """The sender's `Idempotency-Key`."""
    expected: frozenset[int] | None = None
    """The versions of the booking that it is meant for; none: any."""
    reason: str | None = None
    particulars: Mapping[str, Any] = field(default_factory=dict)

    def name_for(self, caller: Caller) -> CommandId:
        """The command's name: the sender's key makes a repeated command the same command, and only theirs."""
        sender = hashlib.sha256(f"{caller.id}/{self.kind}/{self.key or new_id()}".encode()).hexdigest()
        asked = hashlib.sha256(to_json([self.reason, dict(self.particulars)])).hexdigest()
        return CommandId(sender[:_HALF], asked[:_HALF])


@dataclass(frozen=True, slots=True)
class Granted:
    """An order that may be carried out, as far as the API can tell."""

    order: Order
    row: Row
    """The booking before it."""
    actor: Actor


async def grant(app: AppState, context: RequestContext, order: Order) -> Granted:
    """Find the booking, and refuse what the engine need not be asked about.

    Raises:
        HoldfastError: `not_found`, `forbidden`, `invalid_transition`, `stale`, `appointment_begun` or, of a move
            with a business that takes no bookings, `invalid_request`.
    """
    row = await find_booking(app, context, order.booking_id)
    actor = actor_for_command(_actors(context.caller, row), order.kind)
    # What has ended is not woken only to say no.
    if is_terminal(Status(row["status"])) and order.kind is not Command.OVERRIDE:
        raise refusal(order.kind, Status(row["status"]))
    if order.expected is not None and row["version"] not in order.expected:
        raise StaleError
    if order.kind is Command.RESCHEDULE:
        require_taking_bookings(row["business_status"])
    if is_too_late(order.kind, actor.role, row["starts_at"], app.now()):
        raise AppointmentBegunError
    return Granted(order, row, actor)


async def carry_out(
    app: AppState, context: RequestContext, granted: Granted, name: CommandId, turn: str | None = None
) -> Row:
    """Have the engine carry it out; the booking after it.

    The engine remembers its answer to one turn, a refusal as well; by its name the command is known for ever.

    Raises:
        HoldfastError: refused by the booking, or the engine is away.
    """
    order, row = granted.order, granted.row
    command = order.make(
        actor=granted.actor,
        command_id=str(name),
        remark_id=await _remark(app, row, order.reason),
        correlation_id=context.request_id,
        expected_version=None if order.expected is None else row["version"],
        **order.particulars,
    )
    ref = BookingRef(booking_id=order.booking_id, business_id=row["business_id"])
    update_id = f"{name}/{turn}" if turn else str(name)
    try:
        state = await app.gateway.execute(ref, command, update_id)
    except _REFUSED_BY_STATE as refused:
        if not await _would_be_taken(app, ref, command):
            raise
        state = await _judged_again(app, ref, command, update_id, refused)
    except RepeatedCommandError:
        return {**row, **await _as_left_by(app, ref, name)}
    return {**row, **_moved(state)}


async def _as_left_by(app: AppState, ref: BookingRef, name: CommandId) -> Row:
    """The booking as a command left it that was applied before."""
    async with autocommit(app.engine) as conn:
        found = await bookings.find_applied(conn, ref.booking_id, name.key)
    if found is None:
        raise EngineUnavailableError
    return found


async def _judged_again(
    app: AppState, ref: BookingRef, command: BookingCommand, update_id: str, refused: HoldfastError
) -> BookingState:
    """The state after a command that the workflow refused because it knew less than is stored."""
    await app.gateway.catch_up(ref.booking_id, by="request")
    try:
        return await app.gateway.execute(ref, command, f"{update_id}/again")
    except _REFUSED_BY_STATE as again:
        if await _would_be_taken(app, ref, command):
            behind = "The booking's workflow is catching up after a crash. Try again soon."
            raise EngineUnavailableError(behind) from refused
        raise again from refused


async def _would_be_taken(app: AppState, ref: BookingRef, command: BookingCommand) -> bool:
    """Whether the projection would take what the engine refuses: then the refusal must not stand.

    Temporal that dies between a commit and its hearing of it leaves a workflow that knows less than is stored.
    """
    async with autocommit(app.engine) as conn:
        stored = await bookings.find_state(conn, ref.business_id, ref.booking_id)
    if stored is None:
        return False
    try:
        check_at(stored, command, app.now())
    except HoldfastError:
        return False
    return True


def _moved(state: BookingState) -> dict[str, Any]:
    """The columns that a step changes, as the command left them: the booking may have gone on since."""
    return {
        "status": state.status,
        "version": state.version,
        "provider_id": state.provider_id,
        "starts_at": state.starts_at,
        "ends_at": state.ends_at,
        "needs_attention": state.needs_attention,
        "payment": state.payment,
        "updated_at": state.phase_since,
    }


def _actors(caller: Caller, row: Row) -> list[Actor]:
    return actors_for(
        caller,
        row["id"],
        business_id=row["business_id"],
        provider_id=row["provider_id"],
        customer_user_id=row["customer_user_id"],
    )


async def confirm(app: AppState, row: Row) -> None:
    """Note that the booking's workflow has answered with this version. What is not noted is looked into later."""
    with contextlib.suppress(Exception):
        async with autocommit(app.engine) as conn:
            await unconfirmed.confirm(conn, row["business_id"], row["id"], row["version"])


async def _remark(app: AppState, row: Row, reason: str | None) -> UUID | None:
    if reason is None:
        return None
    async with autocommit(app.engine) as conn:
        return await remarks.add(conn, row["business_id"], row["id"], reason)
