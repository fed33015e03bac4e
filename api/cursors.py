"""Opaque signed cursors: where the next page of a listing begins."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from domain.errors import InvalidCursorError

LONGEST: Final = 300
"""Characters. No cursor of ours is longer."""

_SIGNER: Final = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
_READ: Final[dict[str, Callable[[str], Any]]] = {
    "t": datetime.fromisoformat,
    "u": UUID,
    "i": int,
    "s": str,
}


class Cursors:
    """Encodes and decodes the cursors of all listings.

    A cursor is signed together with the name of its listing. The name includes the owner, as in
    `customers/<business id>`: a cursor of one business is not valid for another.
    """

    def __init__(self, secret: bytes) -> None:
        self._serializer = URLSafeSerializer(secret, signer_kwargs=_SIGNER)

    def encode(self, listing: str, *key_parts: datetime | UUID | int | str) -> str:
        """The cursor after the row with this key: moments, ids, numbers and words."""
        written: str = self._serializer.dumps([_written(part) for part in key_parts], salt=listing)
        return written

    def decode(self, listing: str, cursor: str) -> tuple[Any, ...]:
        """The encoded key, with parts of the same types.

        Raises:
            InvalidCursorError: it is forged, altered, or of another listing.
        """
        try:
            parts: list[str] = self._serializer.loads(cursor, salt=listing)
        except (BadData, UnicodeError) as error:
            raise InvalidCursorError from error
        if self._serializer.dumps(parts, salt=listing) != cursor:
            raise InvalidCursorError  # base64 has several spellings of the same bytes
        return tuple(_READ[part[0]](part[1:]) for part in parts)


def _written(part: datetime | UUID | int | str) -> str:
    match part:
        case datetime():
            return f"t{part.isoformat()}"
        case UUID():
            return f"u{part.hex}"
        case int():
            return f"i{part}"
    return f"s{part}"
