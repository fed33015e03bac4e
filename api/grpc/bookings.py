"""The handlers of `BookingService`: each parses, calls the use case that HTTP calls, and renders."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final
from uuid import UUID

import orjson
from google.protobuf.message import Message
from pydantic import Field

from api.bookings import representation
from api.bookings.command_requests import CommandRequest, expected_by
from api.bookings.command_service import CommandService
from api.bookings.creation import create_booking
from api.bookings.lookup import find_booking, list_page
from api.bookings.progress import history_of, next_of
from api.bookings.schemas import AssignIn, BookingIn, NoBody, NoShowIn, OverrideIn, ReasonIn, RescheduleIn
from api.cursors import LONGEST
from api.grpc.booking_service_pb2 import GetBookingHistoryResponse, ListBookingsResponse
from api.grpc.bookings_pb2 import Booking, BookingNext
from api.grpc.calls import Call
from api.grpc.messages import made, parsed, values_of
from api.preconditions import etag_of
from api.shapes import In
from db.repositories.bookings import Filters
from domain import commands
from domain.commands import BookingCommand
from domain.errors import HiddenError
from domain.lifecycle import Status
from domain.times import Moment

_PAGE_SIZE: Final = 50


class _Named(In):
    booking_id: UUID


class _Listed(In):
    statuses: list[Status] = Field(default_factory=list)
    business_id: UUID | None = None
    provider_id: UUID | None = None
    customer_id: UUID | None = None
    needs_attention: bool | None = None
    starts_from: Moment | None = None
    starts_before: Moment | None = None
    page_size: Annotated[int, Field(ge=0, le=200)] = 0
    page_token: Annotated[str, Field(max_length=LONGEST)] = ""


class _Command(In):
    """What every command has."""

    booking_id: UUID
    etag: Annotated[str, Field(max_length=255)] = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    command: type[BookingCommand]
    particulars: type[In]


_COMMANDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "AcceptBooking": _Kind(commands.Accept, NoBody),
        "RejectBooking": _Kind(commands.Reject, ReasonIn),
        "StartBooking": _Kind(commands.Start, NoBody),
        "CompleteBooking": _Kind(commands.Complete, NoBody),
        "ReportNoShow": _Kind(commands.NoShow, NoShowIn),
        "CancelBooking": _Kind(commands.Cancel, ReasonIn),
        "RescheduleBooking": _Kind(commands.Reschedule, RescheduleIn),
        "AssignBooking": _Kind(commands.Assign, AssignIn),
        "OverrideBooking": _Kind(commands.Override, OverrideIn),
    }
)


async def create(call: Call, request: Message) -> Booking:
    """Book a service at a time."""
    body = parsed(BookingIn, values_of(request))
    created = await create_booking(call.app, call.context, body, call.key, call.audit_entry("done"))
    return _booking(representation.created_body(created.body, call.context.caller, call.app.tokens))


async def get(call: Call, request: Message) -> Booking:
    """One booking."""
    caller = call.context.caller
    row = await find_booking(call.app, call.context, parsed(_Named, values_of(request)).booking_id)
    return _booking(representation.linked(representation.row_as_json(row, caller), caller, call.app.tokens))


async def list_bookings(call: Call, request: Message) -> ListBookingsResponse:
    """A page of the bookings that the caller may see."""
    asked, context = parsed(_Listed, values_of(request)), call.context
    if context.confined_to is not None and asked.business_id not in {None, context.confined_to}:
        raise HiddenError
    filters = Filters(
        statuses=tuple(asked.statuses),
        business_id=asked.business_id or context.confined_to,
        provider_id=asked.provider_id,
        customer_id=asked.customer_id,
        needs_attention=asked.needs_attention,
        starts_from=asked.starts_from,
        starts_before=asked.starts_before,
    )
    limit, cursor = asked.page_size or _PAGE_SIZE, asked.page_token or None
    page = await list_page(call.app, context, filters, limit=limit, cursor=cursor)
    shown = [_tagged(representation.booking(row, context.caller)) for row in page.rows]
    return made(ListBookingsResponse, {"bookings": shown, "next_page_token": page.next_cursor})


async def history(call: Call, request: Message) -> GetBookingHistoryResponse:
    """Every step of a booking."""
    found = await history_of(call.app, call.context, parsed(_Named, values_of(request)).booking_id)
    return made(GetBookingHistoryResponse, found.model_dump())


async def next_(call: Call, request: Message) -> BookingNext:
    """What happens next to a booking."""
    found = await next_of(call.app, call.context, parsed(_Named, values_of(request)).booking_id)
    reminders = [
        {"lead_time": timedelta(minutes=reminder.minutes_before), "at": reminder.at}
        for reminder in found.reminders
    ]
    return made(BookingNext, found.model_dump() | {"reminders": reminders})


def _command_handler(kind: _Kind) -> Callable[[Call, Message], Awaitable[Booking]]:
    async def execute(call: Call, request: Message) -> Booking:
        values = values_of(request)
        about = parsed(_Command, {name: values.pop(name) for name in _Command.model_fields})
        particulars = parsed(kind.particulars, values).model_dump()
        reason = particulars.pop("reason", None)
        expected = expected_by(kind.command.kind, about.etag)
        asked = CommandRequest(about.booking_id, kind.command, call.key, expected, reason, particulars)
        answer = await CommandService(call.app, call.context, call.audit_entry).execute_idempotent(asked)
        return _booking(representation.linked(answer.response, call.context.caller, call.app.tokens))

    return execute


def _booking(body: bytes | str) -> Booking:
    return made(Booking, _tagged(orjson.loads(body)))


def _tagged(booking: dict[str, Any]) -> dict[str, Any]:
    return booking | {"etag": etag_of(booking["version"])}


HANDLERS: Final[Mapping[str, Callable[[Call, Message], Awaitable[Message]]]] = MappingProxyType(
    {
        "CreateBooking": create,
        "GetBooking": get,
        "ListBookings": list_bookings,
        "GetBookingHistory": history,
        "GetBookingNext": next_,
        **{rpc: _command_handler(kind) for rpc, kind in _COMMANDS.items()},
    }
)
