"""A file on its way in: counted and digested as it arrives, and kept aside until its end is there."""

import hashlib
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.middleware import allow_body
from domain.errors import InvalidRequestError

MOST_BYTES: Final = 10 * 1024 * 1024
_IN_MEMORY: Final = 1024 * 1024
TYPES: Final = frozenset(
    {
        *("application/pdf", "text/plain", "text/csv"),
        *("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"),
    }
)
"""What may be attached: nothing that a browser or a desk would run."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file, ready to be read from its beginning."""

    file: BinaryIO
    size_bytes: int
    sha256: str


def content_type_of(request: Request) -> str:
    """The type that the body is said to have, without its parameters.

    Raises:
        HTTPException: 415, it is none that may be attached.
    """
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        allowed = ", ".join(sorted(TYPES))
        raise HTTPException(415, f"Send one of {allowed}.", {"Accept": allowed})
    return kind


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Content]:
    """The whole body. What is larger than memory is good for lies in a file without a name meanwhile.

    Raises:
        HTTPException: 413, it is too large.
        InvalidRequestError: it is empty, or ends before its end.
    """
    _refuse_announced(request)
    allow_body(request, MOST_BYTES)
    async with spooled(_body(request)) as content:
        if content.size_bytes == 0:
            raise InvalidRequestError("The body is empty: send the file as it is.")
        yield content


@asynccontextmanager
async def spooled(pieces: AsyncIterable[bytes]) -> AsyncIterator[Content]:
    """What comes in pieces, as a whole."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
        digest, size = hashlib.sha256(), 0
        async for piece in pieces:
            digest.update(piece)
            size += len(piece)
            spool.write(piece)
        spool.seek(0)
        yield Content(cast(BinaryIO, spool), size, digest.hexdigest())


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise InvalidRequestError("The body ended early.") from error


def _refuse_announced(request: Request) -> None:
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        raise HTTPException(413, f"A file may have {MOST_BYTES} bytes at most.")
