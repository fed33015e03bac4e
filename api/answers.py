"""What a request is answered with: the thing as it reads now, and the tag that the next change names."""

from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError

from api.caching import etag
from runtime.json import to_json

_JSON = "application/json"


def created(content: Any, location: str | None = None) -> Response:
    """201 with the new thing, its tag, and where it is found if it can be read alone."""
    body = to_json(content)
    headers = {"ETag": etag(body)} | ({"Location": location} if location else {})
    return Response(body, 201, headers, _JSON)


def changed(content: Any) -> Response:
    """200 with the thing after the change, and its tag."""
    body = to_json(content)
    return Response(body, 200, {"ETag": etag(body)}, _JSON)


def listed(content: Any) -> Response:
    """200 with something that is not to be kept: a page, or what was found."""
    return Response(to_json(content), 200, media_type=_JSON)


def invalid(member: str, message: str) -> RequestValidationError:
    """A 422 that points at one member of the body."""
    return RequestValidationError([{"type": "value_error", "loc": ("body", member), "msg": message}])
