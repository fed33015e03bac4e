"""`If-Match`: a change applies only to the version that was read (RFC 9110, section 13.1.1)."""

import re
from typing import Final

from fastapi import Request

from domain.errors import InvalidRequestError, PreconditionRequiredError

IF_MATCH_DESCRIPTION: Final = 'The `ETag` that you have read, such as `"3"`, or `*` for whatever is there.'

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"')
"""An entity tag. Weak ones match too: a version identifies a state exactly."""
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")


def require_if_match(request: Request) -> str:
    """The value of `If-Match`.

    Raises:
        PreconditionRequiredError: there is none (RFC 6585, section 3).
    """
    sent = if_match_of(request)
    if not sent:
        raise PreconditionRequiredError
    return sent


def versions_in(sent: str) -> frozenset[int] | None:
    """The versions that entity tags name, such as 3 by `"3"` or `W/"3"`; none for any version: `*`, or no tag.

    A tag that is no version matches nothing, so such tags alone give the empty set.

    Raises:
        InvalidRequestError: it contains something that is no entity tag.
    """
    if sent in ("", "*"):
        return None
    tags = [_TAG.fullmatch(part.strip()) for part in sent.split(",")]
    if None in tags:
        raise InvalidRequestError('If-Match takes entity tags, such as "3", or *.')
    return frozenset(int(tag[1]) for tag in tags if tag is not None and _VERSION.fullmatch(tag[1]))


def etag_of(version: int) -> str:
    """The entity tag of this version."""
    return f'"{version}"'


def if_match_of(request: Request) -> str:
    """The value of `If-Match`; empty without it."""
    return ", ".join(request.headers.getlist("If-Match")).strip()
