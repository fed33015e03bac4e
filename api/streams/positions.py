"""The `id` of streamed events: a position in one business's log, or an opaque place in several."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from api.cursors import Cursors
from api.streams.rights import AllOfMine, Subject
from domain.errors import InvalidCursorError

_LISTING: Final = "me/events/with moment"
_LAST_POSITION: Final = 2**53 - 1


def read_positions(cursors: Cursors, subject: Subject, sent: str | None) -> dict[UUID, int]:
    """Where a client wants to go on, by business; empty: from now on.

    Raises:
        InvalidCursorError: it is no id of such a stream.
    """
    if not sent:
        return {}
    if isinstance(subject, AllOfMine):
        _, *parts = cursors.decode(_LISTING, sent)
        return dict(zip(parts[::2], parts[1::2], strict=True))
    if not sent.isascii() or not sent.isdigit() or int(sent) > _LAST_POSITION:
        raise InvalidCursorError
    return {subject.business_id: int(sent)}


def read_moment(cursors: Cursors, subject: Subject, sent: str | None) -> datetime | None:
    """When the client was sent the id from which it goes on; none: it does not, or only one business is meant."""
    if not sent or not isinstance(subject, AllOfMine):
        return None
    moment: datetime = cursors.decode(_LISTING, sent)[0]
    return moment


def write_positions(cursors: Cursors, subject: Subject, positions: Mapping[UUID, int]) -> str:
    """The id of the event up to which these positions reach."""
    if isinstance(subject, AllOfMine):
        now = datetime.now(UTC).replace(microsecond=0)  # decides what is new of businesses that are not in it
        return cursors.encode(_LISTING, now, *(part for pair in sorted(positions.items()) for part in pair))
    return str(positions[subject.business_id])
