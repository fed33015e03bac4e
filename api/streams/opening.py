"""Opening a stream, whichever way it is delivered."""

from collections.abc import Sequence

from api.deps import AppState
from api.streams.positions import Place, read_place
from api.streams.rights import AllOfMine, Subject
from api.streams.stream import EventStream
from domain.callers import Caller
from domain.errors import HiddenError, UnauthenticatedError


async def open_stream(
    app: AppState, caller: Caller, subject: Subject, after: str | None, types: Sequence[str]
) -> EventStream:
    """A stream for a caller who may hear something of the subject.

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
    return EventStream(app.hub, app.stream_rights, watched, subject, place, types)


async def _place(app: AppState, subject: Subject, after: str | None) -> Place:
    if after:
        return read_place(app.cursors, subject, after)
    return Place({}, await app.hub.count_written(), is_new=True)
