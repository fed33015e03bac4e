"""Successful answers: the resource as it is now, with the entity tag that the next change must name."""

from typing import Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError

from api.caching import etag
from runtime.json import to_json

_JSON = "application/json"


def created(content: Any, location: str | None = None) -> Response:
    """201 with the new resource, its tag and, where it can be read on its own, its location."""
    body = to_json(content)
    headers = {"ETag": etag(body)} | ({"Location": location} if location else {})
    return Response(body, 201, headers, _JSON)


def changed(content: Any) -> Response:
    """200 with the changed resource and its tag."""
    body = to_json(content)
    return Response(body, 200, {"ETag": etag(body)}, _JSON)


def listed(content: Any) -> Response:
    """200 with something that has no tag: a page, or search results."""
    return Response(to_json(content), 200, media_type=_JSON)


def invalid(member: str, message: str) -> RequestValidationError:
    """A 422 that points at one member of the body."""
    return RequestValidationError([{"type": "value_error", "loc": ("body", member), "msg": message}])
