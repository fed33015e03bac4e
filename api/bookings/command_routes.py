"""`POST /v1/bookings/{id}/…`: one route a command. Each answers with the booking after it."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from api import audit_trail
from api.access import needs
from api.bookings import representation
from api.bookings.commanding import Order, carry_out, confirm, grant
from api.bookings.repeating import answer_of, give_once
from api.bookings.schemas import (
    AssignIn,
    BookingOut,
    InvalidTransition,
    NoBody,
    NoShowIn,
    OverrideIn,
    ReasonIn,
    RescheduleIn,
)
from api.deps import AppState, AppStateDep
from api.errors import Problem
from api.idempotency import plain_key
from api.preconditions import IF_MATCH_DESCRIPTION, expected_versions, require_if_match
from api.request_context import context_of
from domain import commands
from domain.access import Permission
from domain.commands import BookingCommand
from domain.errors import EngineUnavailableError, InvalidRequestError
from domain.lifecycle import Command

router = APIRouter(prefix="/v1/bookings/{booking_id}", tags=["commands"])


class Conflict(Problem, InvalidTransition):
    """409: the status does not allow it; `allowed` says what would be."""


_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="Optional: the same value again is the same command, given once and answered alike.",
    ),
]
_IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=255, description=IF_MATCH_DESCRIPTION)]


class Desk:
    """Takes a command from the route to the booking."""

    def __init__(
        self,
        booking_id: UUID,
        request: Request,
        app: AppStateDep,
        idempotency_key: _Key = None,
        if_match: _IfMatch = None,
    ) -> None:
        self.app: AppState = app
        self._booking_id = booking_id
        self._request = request
        self._key = plain_key(idempotency_key)

    def require_if_match(self) -> None:
        """Refuse a change that may undo another which its sender has not seen.

        Raises:
            PreconditionRequiredError: there is no `If-Match`.
        """
        require_if_match(self._request)

    async def give(
        self, make: Callable[..., BookingCommand], kind: Command, *, reason: str | None = None, **particulars: Any
    ) -> Response:
        """Give the command; the booking after it as the answer."""
        expected = expected_versions(self._request)
        order = Order(self._booking_id, kind, make, self._key, expected, reason, particulars)
        try:
            return await self._give(order)
        except EngineUnavailableError as unknown:
            await audit_trail.note_done_apart(self.app, self._request, unknown.code)
            raise

    async def _give(self, order: Order) -> Response:
        context = context_of(self._request)
        if order.key is not None:
            answer = await give_once(self.app, self._request, order, order.key)
        else:
            name = order.name_for(context.caller)
            after = await carry_out(self.app, context, await grant(self.app, context, order), name)
            await confirm(self.app, after)
            answer = answer_of(after, context, name)
        return representation.command_response(answer, context.caller, self.app.tokens)


AtDesk = Annotated[Desk, Depends()]
_ANSWER: dict[str, Any] = {"response_model": BookingOut, "responses": {409: {"model": Conflict}}}


@router.post("/accept", operation_id="acceptBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def accept(desk: AtDesk, body: NoBody | None = None) -> Response:
    """Take the offer."""
    return await desk.give(commands.Accept, Command.ACCEPT)


@router.post("/reject", operation_id="rejectBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def reject(desk: AtDesk, body: ReasonIn | None = None) -> Response:
    """Turn the offer down; somebody else is asked."""
    return await desk.give(commands.Reject, Command.REJECT, reason=body.reason if body else None)


@router.post("/start", operation_id="startBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def start(desk: AtDesk, body: NoBody | None = None) -> Response:
    """The work begins."""
    return await desk.give(commands.Start, Command.START)


@router.post(
    "/complete", operation_id="completeBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def complete(desk: AtDesk, body: NoBody | None = None) -> Response:
    """The work is done."""
    return await desk.give(commands.Complete, Command.COMPLETE)


@router.post("/no-show", operation_id="reportNoShow", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def no_show(desk: AtDesk, body: NoShowIn) -> Response:
    """Somebody did not come: a provider's absence looks for another, a customer's ends the booking."""
    return await desk.give(commands.NoShow, Command.NO_SHOW, party=body.party)


@router.post("/cancel", operation_id="cancelBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def cancel(desk: AtDesk, body: ReasonIn | None = None) -> Response:
    """Call it off."""
    return await desk.give(commands.Cancel, Command.CANCEL, reason=body.reason if body else None)


@router.post(
    "/reschedule", operation_id="rescheduleBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def reschedule(desk: AtDesk, body: RescheduleIn) -> Response:
    """Move to another time, and to another provider where one is named; the old time is free at once.

    Needs `If-Match`.
    """
    desk.require_if_match()
    if body.starts_at <= desk.app.now():
        raise InvalidRequestError("starts_at lies in the past.")
    return await desk.give(
        commands.Reschedule, Command.RESCHEDULE, starts_at=body.starts_at, provider_id=body.provider_id
    )


@router.post("/assign", operation_id="assignBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def assign(desk: AtDesk, body: AssignIn) -> Response:
    """Offer the booking to a provider of your choice."""
    return await desk.give(commands.Assign, Command.ASSIGN, provider_id=body.provider_id)


@router.post(
    "/override", operation_id="overrideBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def override(desk: AtDesk, body: OverrideIn) -> Response:
    """Set any status, from any status. Admins only; the reason stays in the history. Needs `If-Match`."""
    desk.require_if_match()
    return await desk.give(commands.Override, Command.OVERRIDE, reason=body.reason, status=body.status)
