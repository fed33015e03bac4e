"""Answers that may be kept for a while, each with an entity tag by which to ask whether it still stands."""

import hashlib
from typing import Any, Final

from fastapi import Request, Response

from domain.errors import StaleError
from runtime.json import to_json

BUSINESS: Final = "public, max-age=300"
CATALOGUE: Final = "public, max-age=600"
SLOTS: Final = "public, no-cache"
"""May be kept, must be asked about each time: a slot that somebody took is gone at once."""
PRIVATE: Final = "private, no-cache"


def etag(body: bytes) -> str:
    """The entity tag of a representation: the same bytes, the same tag."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def cached(request: Request, content: Any, cache_control: str) -> Response:
    """200 with the content as JSON and its tag, or 304 when the caller has just that."""
    body = to_json(content)
    tag = etag(body)
    # Whoever is logged in may be about to change it, and must not be shown what a cache remembers.
    shared = "Authorization" not in request.headers
    headers = {"ETag": tag, "Cache-Control": cache_control if shared else PRIVATE, "Vary": "Authorization"}
    if _names(request.headers.get("If-None-Match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


def require_match(request: Request, current: Any) -> None:
    """Refuse a change to something that is no longer what its author has read.

    Raises:
        StaleError: `If-Match` was sent and names another representation than `current`.
    """
    wanted = request.headers.get("If-Match")
    if wanted is not None and not _names(wanted, etag(to_json(current))):
        raise StaleError


def _names(header: str, tag: str) -> bool:
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in tags or tag in tags
