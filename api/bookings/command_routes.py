"""`POST /v1/bookings/{id}/…`: one route a command. Each answers with the booking after it."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from api import audit_trail
from api.access import needs
from api.bookings import representation
from api.bookings.command_requests import CommandRequest, expected_by
from api.bookings.command_service import CommandService
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
from api.deps import AppStateDep
from api.errors import Problem
from api.idempotency import plain_key
from api.preconditions import IF_MATCH_DESCRIPTION, if_match_of
from api.request_context import context_of
from domain import commands
from domain.access import Permission
from domain.commands import BookingCommand

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


class CommandEndpoint:
    """Has the command of one request executed, and answers with the booking after it."""

    def __init__(
        self,
        booking_id: UUID,
        request: Request,
        app: AppStateDep,
        idempotency_key: _Key = None,
        if_match: _IfMatch = None,
    ) -> None:
        self._booking_id = booking_id
        self._request = request
        self._app = app
        self._key = plain_key(idempotency_key)

    async def execute(
        self, command_type: type[BookingCommand], *, reason: str | None = None, **particulars: Any
    ) -> Response:
        """Execute the command that the body asks for, with what the headers say.

        Raises:
            HoldfastError: as `expected_by` and `CommandService.execute_idempotent`.
        """
        context, expected = context_of(self._request), expected_by(command_type.kind, if_match_of(self._request))
        service = CommandService(self._app, context, partial(audit_trail.entry_of, self._request))
        answer = await service.execute_idempotent(
            CommandRequest(self._booking_id, command_type, self._key, expected, reason, particulars)
        )
        return representation.command_response(answer, context.caller, self._app.tokens)


CommandEndpointDep = Annotated[CommandEndpoint, Depends()]
_ANSWER: dict[str, Any] = {"response_model": BookingOut, "responses": {409: {"model": Conflict}}}


@router.post("/accept", operation_id="acceptBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def accept(endpoint: CommandEndpointDep, body: NoBody | None = None) -> Response:
    """Take the offer."""
    return await endpoint.execute(commands.Accept)


@router.post("/reject", operation_id="rejectBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def reject(endpoint: CommandEndpointDep, body: ReasonIn | None = None) -> Response:
    """Turn the offer down; somebody else is asked."""
    return await endpoint.execute(commands.Reject, reason=body.reason if body else None)


@router.post("/start", operation_id="startBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def start(endpoint: CommandEndpointDep, body: NoBody | None = None) -> Response:
    """The work begins."""
    return await endpoint.execute(commands.Start)


@router.post(
    "/complete", operation_id="completeBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def complete(endpoint: CommandEndpointDep, body: NoBody | None = None) -> Response:
    """The work is done."""
    return await endpoint.execute(commands.Complete)


@router.post("/no-show", operation_id="reportNoShow", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def no_show(endpoint: CommandEndpointDep, body: NoShowIn) -> Response:
    """Somebody did not come: a provider's absence looks for another, a customer's ends the booking."""
    return await endpoint.execute(commands.NoShow, party=body.party)


@router.post("/cancel", operation_id="cancelBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def cancel(endpoint: CommandEndpointDep, body: ReasonIn | None = None) -> Response:
    """Call it off."""
    return await endpoint.execute(commands.Cancel, reason=body.reason if body else None)


@router.post(
    "/reschedule", operation_id="rescheduleBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def reschedule(endpoint: CommandEndpointDep, body: RescheduleIn) -> Response:
    """Move to another time, and to another provider where one is named; the old time is free at once.

    Needs `If-Match`.
    """
    return await endpoint.execute(commands.Reschedule, starts_at=body.starts_at, provider_id=body.provider_id)


@router.post("/assign", operation_id="assignBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def assign(endpoint: CommandEndpointDep, body: AssignIn) -> Response:
    """Offer the booking to a provider of your choice."""
    return await endpoint.execute(commands.Assign, provider_id=body.provider_id)


@router.post(
    "/override", operation_id="overrideBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def override(endpoint: CommandEndpointDep, body: OverrideIn) -> Response:
    """Set any status, from any status. Admins only; the reason stays in the history. Needs `If-Match`."""
    return await endpoint.execute(commands.Override, reason=body.reason, status=body.status)
