"""The handler of `EventService`: the same streams as server-sent events, from the same hub."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

from google.protobuf.message import Message
from pydantic import Field

from api.bookings.lookup import find_booking
from api.events import EventPattern, business_of
from api.grpc.calls import Call
from api.grpc.events_pb2 import WatchRequest, WatchResponse
from api.grpc.messages import made, parsed, values_of
from api.grpc.operations import OPERATIONS, Operation
from api.grpc.statuses import StreamEndedError
from api.shapes import In
from api.streams.opening import open_stream
from api.streams.positions import write_place
from api.streams.rights import AllOfMine, OneBooking, Subject, WholeBusiness
from api.streams.stream import Ending, EventStream
from db.repositories.rows import Row
from domain.errors import ForbiddenError


class _Watched(In):
    business_id: UUID | None = None
    booking_id: UUID | None = None
    mine: bool = False
    after: Annotated[str, Field(max_length=2000)] = ""
    types: Annotated[list[EventPattern], Field(max_length=20)] = Field(default_factory=list)


def operation_of(request: Message) -> Operation:
    """The operation over HTTP that gives the same stream."""
    assert isinstance(request, WatchRequest)
    streams = {"booking_id": "streamBookingEvents", "mine": "streamMyEvents"}
    return OPERATIONS[streams.get(request.WhichOneof("subject") or "", "streamEvents")]


async def watch(call: Call, request: Message) -> AsyncGenerator[WatchResponse, None]:
    """What happens, from a cursor or from now on."""
    asked = parsed(_Watched, values_of(request))
    subject = await _subject(call, asked)
    stream = await open_stream(call.app, call.context.caller, subject, asked.after, asked.types)
    return _messages(call, stream)


async def _subject(call: Call, asked: _Watched) -> Subject:
    context = call.context
    if asked.mine:
        if context.confined_to is not None:
            raise ForbiddenError("The service's token is for one business: watch that business or a booking.")
        return AllOfMine()
    if asked.booking_id is not None:
        row = await find_booking(call.app, context, asked.booking_id)
        return OneBooking(row["business_id"], asked.booking_id)
    return WholeBusiness(await business_of(call.app, context, asked.business_id or context.confined_to))


async def _messages(call: Call, stream: EventStream) -> AsyncGenerator[WatchResponse, None]:
    async with aclosing(stream.batches()) as batches:
        async for batch in batches:
            if isinstance(batch, Ending):
                raise StreamEndedError(batch)
            if not batch:
                yield _response(call, stream, {"heartbeat": {}})
            for event in batch:
                stream.note(event)
                yield _response(call, stream, {"event": _event(event)})


def _response(call: Call, stream: EventStream, message: dict[str, Any]) -> WatchResponse:
    cursor = write_place(call.app.cursors, stream.subject, stream.place)
    return made(WatchResponse, {"cursor": cursor} | message)


def _event(row: Row) -> dict[str, Any]:
    """The members of `domain.events.cloud_event`, with the position as a number."""
    actor = row["actor"] or {}
    named = ("id", "type", "subject", "time", "position", "business_id", "correlation_id", "data")
    return {name: row[name] for name in named} | {
        "source": f"{row['source']}/{row['business_id']}",
        "actor_role": actor.get("role"),
        "actor_id": actor.get("user_id"),
        "data_version": row["schema_version"],
    }
