"""The `id` of streamed events: a position in one business's log, or an opaque place in several."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from api.cursors import Cursors
from api.streams.rights import AllOfMine, Subject
from db.repositories.rows import Row
from domain.errors import InvalidCursorError

_LISTING: Final = "my-events"
_LAST_POSITION: Final = 2**53 - 1


@dataclass(slots=True)
class Place:
    """How far a stream has come."""

    positions: dict[UUID, int]
    """By business."""
    began_at: int
    """How many events had been written, in all businesses, when it first began.

    A business that its listener may hear only since then is heard from there on."""
    is_new: bool = False
    """Whether it begins only now, at the end of each log."""

    def behind(self, event: Row) -> "Place":
        """The place behind the next event."""
        return replace(self, positions=self.positions | {event["business_id"]: event["position"]})


def read_place(cursors: Cursors, subject: Subject, sent: str) -> Place:
    """Where a client wants to go on.

    Raises:
        InvalidCursorError: it is no id of such a stream.
    """
    if isinstance(subject, AllOfMine):
        began_at, *parts = cursors.decode(_LISTING, sent)
        return Place(dict(zip(parts[::2], parts[1::2], strict=True)), began_at)
    if not sent.isascii() or not sent.isdigit() or int(sent) > _LAST_POSITION:
        raise InvalidCursorError
    return Place({subject.business_id: int(sent)}, 0)


def write_place(cursors: Cursors, subject: Subject, place: Place) -> str:
    """The id of the event up to which a stream has come."""
    if isinstance(subject, AllOfMine):
        pairs = sorted(place.positions.items())
        return cursors.encode(_LISTING, place.began_at, *(part for pair in pairs for part in pair))
    return str(place.positions[subject.business_id])
