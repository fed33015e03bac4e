"""`text/event-stream`: what happens, as it happens, for browsers and programs.

`/v1/events` answers with a stream where the client accepts one; the JSON form is in `api.events`.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.routing import Match
from starlette.types import Scope

from api.access import needs
from api.bookings.lookup import find_booking
from api.deps import AppState, AppStateDep
from api.events import EventPattern, business_of
from api.request_context import RequestContext, RequestContextDep
from api.streams.opening import open_stream
from api.streams.positions import write_place
from api.streams.rights import AllOfMine, OneBooking, Subject, WholeBusiness
from api.streams.slow_readers import StreamRoute
from api.streams.stream import Ending, EventStream
from domain.access import Permission
from domain.events import cloud_event
from runtime.json import to_json
from runtime.metrics import STREAM_ENDS

_RETRY_MILLISECONDS: Final = 2000
_MEDIA_TYPE: Final = b"text/event-stream"

LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", max_length=2000, description="The `id` of the last event that you have."),
]
After = Annotated[str | None, Query(max_length=2000, description="The same, for who cannot set headers.")]
Types = Annotated[
    list[EventPattern] | None,
    Query(max_length=20, description="Only these: types, or beginnings of types as `scheduling.booking.*`."),
]
Ticket = Annotated[
    str | None, Query(max_length=100, description="A ticket, in place of `Authorization`: see createStreamTicket.")
]


class _BesideJson(StreamRoute):
    """Matches only clients that accept a stream, so that a path can have a JSON form beside it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        accepted = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept")
        return (Match.NONE, {}) if match is Match.FULL and _MEDIA_TYPE not in accepted else (match, child)


router = APIRouter(tags=["events"], route_class=StreamRoute)
_beside_json = APIRouter(tags=["events"], route_class=_BesideJson)


async def _counted(app: AppStateDep, context: RequestContextDep) -> AsyncIterator[None]:
    """Count the stream while it is open.

    Raises:
        TooManyStreamsError: the caller, or their address, has as many open as may be.
    """
    with app.open_streams.of_address(context.address), app.open_streams.of_caller(context.caller_name):
        yield


async def _of_business(
    app: AppStateDep,
    context: RequestContextDep,
    business_id: UUID | None = None,
    after: After = None,
    last_event_id: LastEventId = None,
    types: Types = None,
    ticket: Ticket = None,  # the authentication has used it
) -> EventStream:
    business = await business_of(app, context, business_id)
    return await _open(app, context, WholeBusiness(business), last_event_id or after, types)


async def _of_booking(
    booking_id: UUID,
    app: AppStateDep,
    context: RequestContextDep,
    after: After = None,
    last_event_id: LastEventId = None,
    types: Types = None,
    ticket: Ticket = None,  # the authentication has used it
) -> EventStream:
    row = await find_booking(app, context, booking_id)
    return await _open(app, context, OneBooking(row["business_id"], booking_id), last_event_id or after, types)


async def _of_user(
    app: AppStateDep,
    context: RequestContextDep,
    after: After = None,
    last_event_id: LastEventId = None,
    types: Types = None,
    ticket: Ticket = None,  # the authentication has used it
) -> EventStream:
    return await _open(app, context, AllOfMine(), last_event_id or after, types)


async def _open(
    app: AppState, context: RequestContext, subject: Subject, after: str | None, types: list[str] | None
) -> EventStream:
    return await open_stream(app, context.caller, subject, after, types or (), context.credential_ends_at)


async def _sent(request: Request, stream: EventStream) -> AsyncIterator[ServerSentEvent]:
    """The stream as it goes over the wire. FastAPI adds a comment after 15 seconds without an event."""
    cursors = request.app.state.holdfast.cursors
    is_open = False
    async for batch in stream.batches():
        if isinstance(batch, Ending):
            STREAM_ENDS.labels("sse", batch).inc()
            resume = write_place(cursors, stream.subject, stream.place)
            yield ServerSentEvent(id=resume, event="stream.ended", data={"reason": batch})
            return
        if not is_open:
            is_open = True
            place = write_place(cursors, stream.subject, stream.place)
            yield ServerSentEvent(id=place, comment="listening", retry=_RETRY_MILLISECONDS)
        for event in batch:
            stream.note(event)
            yield ServerSentEvent(
                id=write_place(cursors, stream.subject, stream.place),
                event=event["type"],
                raw_data=to_json(cloud_event(event)).decode(),
            )


@_beside_json.get(
    "/v1/events",
    operation_id="streamEvents",
    dependencies=[needs(Permission.READ_EVENTS), Depends(_counted)],
    response_class=EventSourceResponse,
    include_in_schema=False,
)
async def stream_events(
    request: Request, stream: Annotated[EventStream, Depends(_of_business)]
) -> AsyncIterator[ServerSentEvent]:
    """Everything that happens in a business."""
    async for event in _sent(request, stream):
        yield event


@router.get(
    "/v1/bookings/{booking_id}/events",
    operation_id="streamBookingEvents",
    dependencies=[needs(Permission.READ_BOOKINGS), Depends(_counted)],
    response_class=EventSourceResponse,
)
async def stream_booking_events(
    request: Request, stream: Annotated[EventStream, Depends(_of_booking)]
) -> AsyncIterator[ServerSentEvent]:
    """What happens to a booking, for whoever may see it; it ends when they may not any more."""
    async for event in _sent(request, stream):
        yield event


@router.get(
    "/v1/me/events",
    operation_id="streamMyEvents",
    dependencies=[needs(Permission.MANAGE_ACCOUNT), Depends(_counted)],
    response_class=EventSourceResponse,
)
async def stream_my_events(
    request: Request, stream: Annotated[EventStream, Depends(_of_user)]
) -> AsyncIterator[ServerSentEvent]:
    """All that you may hear, over your businesses: as desk, as provider, and as customer."""
    async for event in _sent(request, stream):
        yield event


router.routes[:0] = _beside_json.routes
