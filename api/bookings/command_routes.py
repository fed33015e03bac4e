"""`POST /v1/bookings/{id}/…`: one route a command. Each answers with the booking after it."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Response

from api.access import needs
from api.bookings import rendering
from api.bookings.commanding import CommandMaker, give_command
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
from api.deps import AppParts, CurrentPrincipal, Parts, RequestId
from api.errors import Problem
from domain import commands
from domain.access import Permission, Principal
from domain.errors import InvalidRequestError
from domain.lifecycle import Command

router = APIRouter(prefix="/v1/bookings/{booking_id}", tags=["commands"])


class Conflict(Problem, InvalidTransition):
    """409: the status does not allow it; `allowed` says what would be."""


class Desk:
    """Takes a command from the route to the booking."""

    def __init__(
        self,
        booking_id: UUID,
        parts: AppParts,
        principal: CurrentPrincipal,
        request_id: RequestId,
        idempotency_key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                max_length=255,
                description="Optional: the same value again is the same command, given once.",
            ),
        ] = None,
    ) -> None:
        self._booking_id = booking_id
        self.parts: Parts = parts
        self._principal: Principal = principal
        self._request_id = request_id
        self._key = idempotency_key

    async def give(
        self, make: CommandMaker, kind: Command, *, reason: str | None = None, **particulars: Any
    ) -> Response:
        """Give the command; the booking after it as the answer."""
        row = await give_command(
            self.parts,
            self._principal,
            self._booking_id,
            make,
            kind=kind,
            request_id=self._request_id,
            idempotency_key=self._key,
            reason=reason,
            **particulars,
        )
        return rendering.booking_response(row)


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
    """Move to another time, and to another provider where one is named; the old time is free at once."""
    if body.starts_at <= desk.parts.now():
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
    """Set any status, from any status. Admins only; the reason stays in the history."""
    return await desk.give(commands.Override, Command.OVERRIDE, reason=body.reason, status=body.status)
