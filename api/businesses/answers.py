"""What a change is answered with: the thing as it reads now, and the tag that the next change may name."""

from contextlib import suppress
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from api.caching import etag, require_match
from domain.errors import StaleError
from runtime.json import to_json


def created(content: Any, location: str) -> Response:
    """201 with the new thing, where it is found, and its tag."""
    body = to_json(content)
    return Response(body, 201, {"Location": location, "ETag": etag(body)}, "application/json")


def changed(content: Any) -> Response:
    """200 with the thing after the change, and its tag."""
    body = to_json(content)
    return Response(body, 200, {"ETag": etag(body)}, "application/json")


def require_any_match(request: Request, *current: Any) -> None:
    """Refuse a change whose `If-Match` names none of the representations that one thing has.

    Raises:
        StaleError: whoever sent it has read none of these.
    """
    for representation in current:
        with suppress(StaleError):
            return require_match(request, representation)
    raise StaleError


def invalid(member: str, message: str) -> RequestValidationError:
    """A 422 that points at one member of the body."""
    return RequestValidationError([{"type": "value_error", "loc": ("body", member), "msg": message}])
