"""Entity tags: answers that may be kept until asked about, and changes that are made only to what was read."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request, Response

from api.preconditions import require_if_match
from domain.errors import StaleError
from runtime.json import to_json

BUSINESS: Final = "public, max-age=300"
CATALOGUE: Final = "public, max-age=600"
SLOTS: Final = "public, no-cache"
"""May be kept, must be asked about each time: a slot that somebody took is gone at once."""
PRIVATE: Final = "private, no-cache"

REPORT: Final = "private, max-age=900"
"""What nobody changes by hand, and whoever asks again soon may see as it was."""


def etag(body: bytes) -> str:
    """The entity tag of a representation: the same bytes, the same tag."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Representation:
    """A content as it is sent."""

    body: bytes
    tag: str


def represent(body: bytes) -> Representation:
    """The content with its tag. A thread may do it: it touches nothing of the request."""
    return Representation(body, etag(body))


def cached(request: Request, content: Any, cache_control: str) -> Response:
    """200 with the content as JSON and its tag, or 304 when the caller has just that."""
    return answer_cached(request, represent(to_json(content)), cache_control)


def answer_cached(
    request: Request, content: Representation, cache_control: str, media_type: str = "application/json"
) -> Response:
    """The same, of a content whose representation is made already."""
    # Whoever is logged in may be about to change it, and must not be shown what a cache remembers.
    as_said = "Authorization" not in request.headers or cache_control == REPORT
    headers = {
        "ETag": content.tag,
        "Cache-Control": cache_control if as_said else PRIVATE,
        "Vary": "Authorization",
    }
    if _names(request.headers.get("If-None-Match", ""), content.tag):
        return Response(status_code=304, headers=headers)
    return Response(content.body, 200, headers, media_type)


class Expected:
    """What the caller has read and means to change, by `If-Match` (RFC 9110, section 13.1.1)."""

    def __init__(self, wanted: str | None) -> None:
        self._wanted = wanted

    def check(self, *current: Any) -> None:
        """Go on only when it is one of the representations that the thing has now; `*` is any, but not none.

        Raises:
            StaleError: it is none of them.
        """
        if self._wanted is None:
            return
        if not any(_names(self._wanted, etag(to_json(one))) for one in current):
            raise StaleError


async def _required(
    request: Request,
    _: Annotated[
        str | None, Header(alias="If-Match", description="The `ETag` that you have read, or `*`.")
    ] = None,
) -> Expected:
    return Expected(require_if_match(request))


async def _optional(
    request: Request,
    _: Annotated[str | None, Header(alias="If-Match", description="Replace only this: an `ETag`.")] = None,
) -> Expected:
    return Expected(", ".join(request.headers.getlist("If-Match")).strip() or None)


MustExpect = Annotated[Expected, Depends(_required)]
"""Of a change: 428 without `If-Match` (RFC 6585, section 3), for it would undo what others did unseen."""
MayExpect = Annotated[Expected, Depends(_optional)]
"""Of a replacement, which says by itself what there is to be."""


def _names(header: str, tag: str) -> bool:
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in tags or tag in tags
