"""Opening a stream: what somebody wants to hear, if they may."""

from collections.abc import Sequence
from uuid import UUID

from api.bookings.lookup import find_booking
from api.deps import AppState
from api.events import business_of
from api.request_context import RequestContext
from api.streams.positions import Place, read_place
from api.streams.rights import AllOfMine, OneBooking, Subject, WholeBusiness
from api.streams.stream import EventStream
from domain.access import Permission, require_permission
from domain.callers import Caller, Guest, KeyHolder
from domain.errors import HiddenError, NotFoundError, UnauthenticatedError


async def open_stream(
    app: AppState,
    caller: Caller,
    subject: Subject,
    after: str | None,
    types: Sequence[str] = (),
    ends_at: float | None = None,
) -> EventStream:
    """A stream for a caller who may hear something of the subject, until `ends_at` (seconds since the epoch).

    Raises:
        UnauthenticatedError: their login or key has just ended.
        HiddenError: there is nothing of it that they may hear.
        InvalidCursorError: the id to resume from is none of such a stream.
    """
    place = await _place(app, subject, after)
    watched = await app.stream_rights.look_up(caller)
    if watched.has_ended:
        raise UnauthenticatedError
    if not isinstance(subject, AllOfMine) and not subject.interests(watched.caller, watched.records):
        raise HiddenError
    return EventStream(app.hub, app.stream_rights, watched, subject, place, types, ends_at)


async def _place(app: AppState, subject: Subject, after: str | None) -> Place:
    if after:
        return read_place(app.cursors, subject, after)
    return Place({}, await app.hub.count_written(), is_new=True)


async def find_subject(
    app: AppState, context: RequestContext, business_id: UUID | None, booking_id: UUID | None
) -> Subject:
    """A booking, a business, or by default all that the caller may hear.

    Raises:
        NotFoundError: there is no such thing, or the booking is of another business.
        HiddenError: it is somebody else's.
        ForbiddenError: callers of this kind, or keys without this scope, may not hear it.
    """
    caller = context.caller
    if isinstance(caller, Guest) and booking_id is None and business_id is None:
        booking_id = caller.booking_id
    if booking_id is not None:
        return await _find_booking(app, context, business_id, booking_id)
    if business_id is not None or isinstance(caller, KeyHolder):
        require_permission(caller, Permission.READ_EVENTS)
        return WholeBusiness(await business_of(app, context, business_id))
    require_permission(caller, Permission.MANAGE_ACCOUNT)
    return AllOfMine()


async def _find_booking(
    app: AppState, context: RequestContext, business_id: UUID | None, booking_id: UUID
) -> OneBooking:
    require_permission(context.caller, Permission.READ_BOOKINGS)
    row = await find_booking(app, context, booking_id)
    if business_id not in (None, row["business_id"]):
        raise NotFoundError(f"There is no booking {booking_id} in this business.")
    return OneBooking(row["business_id"], booking_id)
