"""Opaque cursors: where the next page of a listing begins, signed, so that nobody makes one up."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from domain.errors import InvalidCursorError

LONGEST: Final = 300
"""More characters than any cursor of ours has."""

_SIGNER: Final = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
_READ: Final[dict[str, Callable[[str], Any]]] = {
    "t": datetime.fromisoformat,
    "u": UUID,
    "i": int,
    "s": str,
}


class Cursors:
    """Makes the cursors of all listings and reads them again.

    A cursor is signed together with the name of its listing. That name says whose listing it is too, as
    `customers/<business id>` does: then a cursor of one business is none of another's.
    """

    def __init__(self, secret: bytes) -> None:
        self._serializer = URLSafeSerializer(secret, signer_kwargs=_SIGNER)

    def encode(self, listing: str, *key_parts: datetime | UUID | int | str) -> str:
        """The cursor behind the row with this key: moments, ids, numbers and words."""
        written: str = self._serializer.dumps([_written(part) for part in key_parts], salt=listing)
        return written

    def decode(self, listing: str, cursor: str) -> tuple[Any, ...]:
        """The key that was encoded, its parts of the same types.

        Raises:
            InvalidCursorError: it was made by somebody else, changed on its way, or made for another listing.
        """
        try:
            parts: list[str] = self._serializer.loads(cursor, salt=listing)
        except (BadData, UnicodeError) as error:
            raise InvalidCursorError from error
        if self._serializer.dumps(parts, salt=listing) != cursor:
            raise InvalidCursorError  # base64 has spellings that read the same
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
