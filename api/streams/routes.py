"""`text/event-stream`: what happens, as it happens, for browsers and programs.

`/v1/events` answers with a stream where the client accepts one; the JSON form is in `api.events`.
"""

from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.routing import Match
from starlette.types import Scope

from api.access import CallerDep, needs
from api.bookings.lookup import find_booking
from api.deps import AppStateDep
from api.events import EventPattern, business_of
from api.request_context import RequestContextDep
from api.streams.opening import open_stream
from api.streams.positions import write_place
from api.streams.rights import AllOfMine, OneBooking, WholeBusiness
from api.streams.stream import Ending, EventStream
from domain.access import Permission
from domain.events import cloud_event
from runtime.json import to_json

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


class _StreamRoute(APIRoute):
    """Matches only clients that accept a stream, so that a path can have a JSON form beside it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        accepted = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept")
        return (Match.NONE, {}) if match is Match.FULL and _MEDIA_TYPE not in accepted else (match, child)


router = APIRouter(tags=["events"])
_beside_json = APIRouter(tags=["events"], route_class=_StreamRoute)


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
    return await open_stream(app, context.caller, WholeBusiness(business), last_event_id or after, types or ())


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
    return await open_stream(
        app, context.caller, OneBooking(row["business_id"], booking_id), last_event_id or after, types or ()
    )


async def _of_user(
    app: AppStateDep,
    caller: CallerDep,
    after: After = None,
    last_event_id: LastEventId = None,
    types: Types = None,
    ticket: Ticket = None,  # the authentication has used it
) -> EventStream:
    return await open_stream(app, caller, AllOfMine(), last_event_id or after, types or ())


async def _sent(request: Request, stream: EventStream) -> AsyncIterator[ServerSentEvent]:
    """The stream as it goes over the wire. FastAPI adds a comment after 15 seconds without an event."""
    cursors = request.app.state.holdfast.cursors
    is_open = False
    async for batch in stream.batches():
        if isinstance(batch, Ending):
            yield ServerSentEvent(event="stream.ended", data={"reason": batch})
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
    dependencies=[needs(Permission.READ_EVENTS)],
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
    dependencies=[needs(Permission.READ_BOOKINGS)],
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
    dependencies=[needs(Permission.MANAGE_ACCOUNT)],
    response_class=EventSourceResponse,
)
async def stream_my_events(
    request: Request, stream: Annotated[EventStream, Depends(_of_user)]
) -> AsyncIterator[ServerSentEvent]:
    """All that you may hear, over your businesses: as desk, as provider, and as customer."""
    async for event in _sent(request, stream):
        yield event


router.routes[:0] = _beside_json.routes
