"""Executing a command to a booking: once for each `Idempotency-Key`, by somebody who may, through the engine."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from api import audit_trail
from api.bookings.command_answers import CommandAnswers
from api.bookings.command_requests import AuthorizedCommand, CommandId, CommandRequest
from api.bookings.lookup import find_booking
from api.deps import AppState
from api.request_context import RequestContext
from db.engine import autocommit
from db.repositories import bookings, remarks
from db.repositories.audit import Entry
from db.repositories.idempotency import Answer
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
    InvalidRequestError,
    InvalidTransitionError,
    RepeatedCommandError,
    StaleError,
)
from domain.lifecycle import Command, Status, is_terminal

_REFUSED_BY_STATE = (ForbiddenError, InvalidTransitionError, StaleError, AppointmentBegunError)
"""Refusals that may come from a workflow that knows less than is stored."""


@dataclass(frozen=True, slots=True)
class CommandService:
    """Takes commands from one request to the engine."""

    app: AppState
    context: RequestContext
    audit_entry: Callable[..., Entry]
    """The request's line for the audit log, of an outcome and a code."""

    async def execute_idempotent(self, request: CommandRequest) -> Answer:
        """Execute the command, or give the answer that the same request got before.

        A request without a key is a command of its own each time.

        Raises:
            RequestInFlightError: the same command is being executed under this key at this moment.
            IdempotencyMismatchError: the key was used for this command with other particulars.
            HoldfastError: refused by the booking, which frees the key, or the engine is away, which does not.
        """
        command_id = request.id_for(self.context.caller)
        answers = CommandAnswers(self.app, self.context, self.audit_entry, request, command_id)
        async with self._auditing_the_unknown():
            if (known := await answers.find()) is not None:
                return known
            try:
                authorized = await self._authorize(request)
                async with answers.claimed(authorized.row["business_id"]) as claim_token:
                    return await answers.settle(await self.execute(authorized, command_id, claim_token))
            except HoldfastError as refused:
                if (known := await answers.find_after_refusal(refused)) is None:
                    raise
                return known

    async def execute(self, authorized: AuthorizedCommand, command_id: CommandId, claim_token: str | None) -> Row:
        """Have the engine execute the command; the booking after it.

        The engine remembers its answer to one claim, a refusal as well. It knows the command for ever by its id.

        Raises:
            HoldfastError: refused by the booking, or the engine is away.
        """
        row, ref = authorized.row, authorized.ref
        remark_id = await self._add_remark(row, authorized.request.reason)
        command = authorized.command(command_id, remark_id, self.context.request_id)
        update_id = f"{command_id}/{claim_token}" if claim_token else str(command_id)
        try:
            state = await self.app.gateway.send_command(ref, command, update_id)
        except _REFUSED_BY_STATE as refused:
            if not await self._stored_state_takes(ref.business_id, ref.booking_id, command):
                raise
            state = await self._send_again(authorized, command, update_id, refused)
        except RepeatedCommandError:
            return {**row, **await self._left_by(authorized.request.booking_id, command_id)}
        return {**row, **_changed_columns(state)}

    async def _authorize(self, request: CommandRequest) -> AuthorizedCommand:
        """Find the booking, and refuse what the engine need not be asked about.

        This is the check before the command is sent; the booking's workflow checks it where it applies it.

        Raises:
            HoldfastError: `not_found`, `forbidden`, `invalid_transition`, `stale`, `appointment_begun` or, of a
                move into the past or with a business that takes no bookings, `invalid_request`.
        """
        self._refuse_the_past(request)
        row = await find_booking(self.app, self.context, request.booking_id)
        actor = actor_for_command(_actors(self.context.caller, row), request.kind)
        # What has ended is not woken only to say no.
        if is_terminal(Status(row["status"])) and request.kind is not Command.OVERRIDE:
            raise refusal(request.kind, Status(row["status"]))
        if request.expected is not None and row["version"] not in request.expected:
            raise StaleError
        if request.kind is Command.RESCHEDULE:
            require_taking_bookings(row["business_status"])
        if is_too_late(request.kind, actor.role, row["starts_at"], self.app.now()):
            raise AppointmentBegunError
        return AuthorizedCommand(request, row, actor)

    def _refuse_the_past(self, request: CommandRequest) -> None:
        starts_at = request.particulars.get("starts_at")
        if starts_at is not None and starts_at <= self.app.now():
            raise InvalidRequestError("starts_at lies in the past.")

    @asynccontextmanager
    async def _auditing_the_unknown(self) -> AsyncIterator[None]:
        """Audit a command of which nobody knows whether it is done: nobody answered in time."""
        try:
            yield
        except EngineUnavailableError as unknown:
            await audit_trail.add_apart(self.app, self.context, self.audit_entry("done", unknown.code))
            raise

    async def _stored_state_takes(self, business_id: UUID, booking_id: UUID, command: BookingCommand) -> bool:
        """Whether the stored booking would take what the engine refuses: then the refusal must not stand.

        This check is for one race: Temporal dies between a step's commit and the task that records it. Then the
        workflow judges by less than is stored.
        """
        async with autocommit(self.app.engine) as conn:
            stored = await bookings.find_state(conn, business_id, booking_id)
        if stored is None:
            return False
        try:
            check_at(stored, command, self.app.now())
        except HoldfastError:
            return False
        return True

    async def _send_again(
        self, authorized: AuthorizedCommand, command: BookingCommand, update_id: str, refused: HoldfastError
    ) -> BookingState:
        """The state after a command that the workflow refused because it knew less than is stored."""
        ref, gateway = authorized.ref, self.app.gateway
        await gateway.catch_up(ref.booking_id, by="request")
        try:
            return await gateway.send_command(ref, command, f"{update_id}/again")
        except _REFUSED_BY_STATE as again:
            # The same race: the workflow may not have caught up before the command reached it.
            if await self._stored_state_takes(ref.business_id, ref.booking_id, command):
                behind = "The booking's workflow is catching up after a crash. Try again soon."
                raise EngineUnavailableError(behind) from refused
            raise again from refused

    async def _left_by(self, booking_id: UUID, command_id: CommandId) -> Row:
        """The booking as a command left it that was applied before."""
        async with autocommit(self.app.engine) as conn:
            found = await bookings.find_applied(conn, booking_id, command_id.key)
        if found is None:
            raise EngineUnavailableError
        return found

    async def _add_remark(self, row: Row, reason: str | None) -> UUID | None:
        if reason is None:
            return None
        async with autocommit(self.app.engine) as conn:
            return await remarks.add(conn, row["business_id"], row["id"], reason)


def _changed_columns(state: BookingState) -> dict[str, Any]:
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
