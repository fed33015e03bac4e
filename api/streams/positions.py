"""The `id` of streamed events: a position in one business's log, or an opaque place in several."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from api.cursors import Cursors
from api.streams.rights import AllOfMine, Subject
from domain.errors import InvalidCursorError

ELSEWHERE: Final = UUID(int=0)
"""In place of a business: of those that are not named, everything since this time, in seconds since 1970. So a
user misses nothing of a business that they got to do with while they were away."""
_LISTING: Final = "me/events"
_LAST_POSITION: Final = 2**53 - 1


def read_positions(cursors: Cursors, subject: Subject, sent: str | None) -> dict[UUID, int]:
    """Where a client wants to go on, by business; empty: from now on.

    Raises:
        InvalidCursorError: it is no id of such a stream.
    """
    if not sent:
        return {}
    if isinstance(subject, AllOfMine):
        parts = cursors.decode(_LISTING, sent)
        return dict(zip(parts[::2], parts[1::2], strict=True))
    if not sent.isascii() or not sent.isdigit() or int(sent) > _LAST_POSITION:
        raise InvalidCursorError
    return {subject.business_id: int(sent)}


def write_positions(cursors: Cursors, subject: Subject, positions: Mapping[UUID, int]) -> str:
    """The id of the event up to which these positions reach."""
    if isinstance(subject, AllOfMine):
        return cursors.encode(_LISTING, *(part for pair in sorted(positions.items()) for part in pair))
    return str(positions[subject.business_id])
