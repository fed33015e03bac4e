"""Opaque cursors: where the next page of a listing begins."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter

from domain.errors import InvalidRequestError
from domain.times import Moment

_moment: TypeAdapter[datetime] = TypeAdapter(Moment)


def encode(starts_at: datetime, booking_id: UUID) -> str:
    """The cursor after this booking."""
    raw = f"{starts_at.isoformat()}|{booking_id}".encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime, UUID]:
    """Where the page begins.

    Raises:
        InvalidRequestError: this is no cursor of ours.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        starts_at, booking_id = raw.split("|")
        return _moment.validate_python(datetime.fromisoformat(starts_at)), UUID(booking_id)
    except (ValueError, binascii.Error) as error:  # pydantic's are ValueErrors as well
        raise InvalidRequestError("The cursor is not one of ours: begin again without it.") from error
