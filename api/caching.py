"""Entity tags: cached answers that are revalidated, and changes that apply only to the version that was read."""

import gzip
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
"""Cached but always revalidated: a slot that is taken disappears at once."""
PRIVATE: Final = "private, no-cache"

REPORT: Final = "private, max-age=900"
"""Cached for a while: figures that need not be fresh."""


_WORTH_COMPRESSING: Final = 4096
"""Bytes."""
_FAST: Final = 1


def etag(body: bytes) -> str:
    """The entity tag of a representation, by its bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class Representation:
    """A representation with its tag."""

    body: bytes
    tag: str


def represent(body: bytes) -> Representation:
    """Serialize the content. Safe in a thread: it does not use the request."""
    return Representation(body, etag(body))


def cached(request: Request, content: Any, cache_control: str) -> Response:
    """200 with the content as JSON and its tag, or 304 if the caller has it."""
    return answer_cached(request, represent(to_json(content)), cache_control)


def answer_cached(
    request: Request,
    content: Representation,
    cache_control: str,
    media_type: str = "application/json",
    *,
    compress: bool = False,
) -> Response:
    """The same for a representation that exists already.

    `compress` a long one that is public and has no secret in it: its length would tell about the secret.
    """
    is_packed = compress and len(content.body) > _WORTH_COMPRESSING and _takes_gzip(request)
    # Other bytes have another tag (RFC 9110, section 8.8.3.3).
    tag = f'{content.tag[:-1]}-gzip"' if is_packed else content.tag
    # A user who is logged in may be about to change it, and must not see a stale copy.
    as_said = "Authorization" not in request.headers or cache_control == REPORT
    headers = {
        "ETag": tag,
        "Cache-Control": cache_control if as_said else PRIVATE,
        "Vary": "Authorization, Accept-Encoding" if compress else "Authorization",
    }
    if _names(request.headers.get("If-None-Match", ""), tag):
        return Response(status_code=304, headers=headers)
    if is_packed:
        body = gzip.compress(content.body, _FAST)
        return Response(body, 200, headers | {"Content-Encoding": "gzip"}, media_type)
    return Response(content.body, 200, headers, media_type)


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")


class Expected:
    """What the caller has read and wants to change, by `If-Match` (RFC 9110, section 13.1.1)."""

    def __init__(self, wanted: str | None) -> None:
        self._wanted = wanted

    def check(self, *current: Any) -> None:
        """Check that it is one of the current representations; `*` matches any, but not none.

        Raises:
            StaleError: it matches none of them.
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


RequiredIfMatchDep = Annotated[Expected, Depends(_required)]
"""For a change: 428 without `If-Match` (RFC 6585, section 3), which protects the changes of others."""
IfMatchDep = Annotated[Expected, Depends(_optional)]
"""For a replacement, which states the whole result."""


def _names(header: str, tag: str) -> bool:
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return "*" in tags or tag in tags
