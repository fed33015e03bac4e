"""`POST /v1/bookings/{id}/…`: one route a command. Each answers with the booking after it."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from api import audit_trail
from api.access import needs
from api.bookings import representation
from api.bookings.command_requests import CommandRequest
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
from api.preconditions import IF_MATCH_DESCRIPTION, expected_versions, require_if_match
from api.request_context import context_of
from db.repositories.idempotency import Answer
from domain import commands
from domain.access import Permission
from domain.commands import BookingCommand
from domain.errors import InvalidRequestError

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


class SentCommand:
    """What a request says about its command besides the body, and how it is answered."""

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

    def require_if_match(self) -> None:
        """Refuse a change that may undo another which its sender has not seen.

        Raises:
            PreconditionRequiredError: there is no `If-Match`.
        """
        require_if_match(self._request)

    def asking(
        self, command_type: type[BookingCommand], *, reason: str | None = None, **particulars: Any
    ) -> CommandRequest:
        """The request with what its body asks for.

        Raises:
            InvalidRequestError: `If-Match` cannot be read.
        """
        expected = expected_versions(self._request)
        return CommandRequest(self._booking_id, command_type, self._key, expected, reason, particulars)

    def response(self, answer: Answer) -> Response:
        """The booking after the command."""
        return representation.command_response(answer, context_of(self._request).caller, self._app.tokens)


async def _service(request: Request, app: AppStateDep) -> CommandService:
    return CommandService(app, context_of(request), partial(audit_trail.entry_of, request))


Sent = Annotated[SentCommand, Depends()]
Service = Annotated[CommandService, Depends(_service)]
_ANSWER: dict[str, Any] = {"response_model": BookingOut, "responses": {409: {"model": Conflict}}}


@router.post("/accept", operation_id="acceptBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def accept(sent: Sent, service: Service, body: NoBody | None = None) -> Response:
    """Take the offer."""
    return sent.response(await service.execute_idempotent(sent.asking(commands.Accept)))


@router.post("/reject", operation_id="rejectBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def reject(sent: Sent, service: Service, body: ReasonIn | None = None) -> Response:
    """Turn the offer down; somebody else is asked."""
    command = sent.asking(commands.Reject, reason=body.reason if body else None)
    return sent.response(await service.execute_idempotent(command))


@router.post("/start", operation_id="startBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def start(sent: Sent, service: Service, body: NoBody | None = None) -> Response:
    """The work begins."""
    return sent.response(await service.execute_idempotent(sent.asking(commands.Start)))


@router.post(
    "/complete", operation_id="completeBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def complete(sent: Sent, service: Service, body: NoBody | None = None) -> Response:
    """The work is done."""
    return sent.response(await service.execute_idempotent(sent.asking(commands.Complete)))


@router.post("/no-show", operation_id="reportNoShow", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def no_show(sent: Sent, service: Service, body: NoShowIn) -> Response:
    """Somebody did not come: a provider's absence looks for another, a customer's ends the booking."""
    return sent.response(await service.execute_idempotent(sent.asking(commands.NoShow, party=body.party)))


@router.post("/cancel", operation_id="cancelBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def cancel(sent: Sent, service: Service, body: ReasonIn | None = None) -> Response:
    """Call it off."""
    command = sent.asking(commands.Cancel, reason=body.reason if body else None)
    return sent.response(await service.execute_idempotent(command))


@router.post(
    "/reschedule", operation_id="rescheduleBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def reschedule(sent: Sent, service: Service, body: RescheduleIn) -> Response:
    """Move to another time, and to another provider where one is named; the old time is free at once.

    Needs `If-Match`.
    """
    sent.require_if_match()
    if body.starts_at <= service.app.now():
        raise InvalidRequestError("starts_at lies in the past.")
    command = sent.asking(commands.Reschedule, starts_at=body.starts_at, provider_id=body.provider_id)
    return sent.response(await service.execute_idempotent(command))


@router.post("/assign", operation_id="assignBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER)
async def assign(sent: Sent, service: Service, body: AssignIn) -> Response:
    """Offer the booking to a provider of your choice."""
    command = sent.asking(commands.Assign, provider_id=body.provider_id)
    return sent.response(await service.execute_idempotent(command))


@router.post(
    "/override", operation_id="overrideBooking", dependencies=[needs(Permission.COMMAND_BOOKINGS)], **_ANSWER
)
async def override(sent: Sent, service: Service, body: OverrideIn) -> Response:
    """Set any status, from any status. Admins only; the reason stays in the history. Needs `If-Match`."""
    sent.require_if_match()
    command = sent.asking(commands.Override, reason=body.reason, status=body.status)
    return sent.response(await service.execute_idempotent(command))
