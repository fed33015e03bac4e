"""Every failure as a problem document (RFC 9457) with a stable code and the request id, never with a trace."""

import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route

from api import audit_trail
from api.request_context import context_of
from db.engine import is_outage
from domain.errors import Category, HoldfastError, InvalidRequestError, NotFoundError

_log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 2

STATUS: Final[Mapping[Category, int]] = MappingProxyType(
    {
        Category.MALFORMED: 400,
        Category.UNAUTHENTICATED: 401,
        Category.FORBIDDEN: 403,
        Category.NOT_FOUND: 404,
        Category.CONFLICT: 409,
        Category.STALE: 412,
        Category.INVALID: 422,
        Category.PRECONDITION_REQUIRED: 428,
        Category.THROTTLED: 429,
        Category.UNAVAILABLE: 503,
    }
)
"""The HTTP status of each category of expected errors."""

_UNSUPPORTED = 415
_MOST_ERRORS = 50
_PREFIX = "Value error, "
"""Pydantic puts it before the messages of our own validators."""
FRAMEWORK_PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request is malformed."),
    404: (NotFoundError.code, NotFoundError.title),
    408: ("request_timeout", "The request did not arrive in time."),
    405: ("method_not_allowed", "This cannot be done here. `Allow` lists what can."),
    413: ("payload_too_large", "The request's body is too large."),
    414: ("uri_too_long", "The request's URL is too long."),
    _UNSUPPORTED: ("unsupported_media_type", "Send the body as `Content-Type: application/json`."),
    422: (InvalidRequestError.code, InvalidRequestError.title),
    431: ("headers_too_large", "The request's header fields are too large."),
}
"""What is refused before a route sees it: status, code and title."""
INTERNAL_ERROR: Final = ("internal_error", "Something went wrong on our side.")
DATABASE_UNAVAILABLE: Final = ("database_unavailable", "The database cannot be reached right now. Try again soon.")


class Problem(BaseModel):
    """The shape of every error."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None


def document(status: int, code: str, title: str, detail: str, request_id: str) -> dict[str, Any]:
    """The members of every problem document (RFC 9457, section 3.1), `code` and `request_id`."""
    return {
        "type": f"urn:holdfast:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }


def problem_response(
    request: HTTPConnection, status: int, code: str, title: str, detail: str, extra: dict[str, Any] | None = None
) -> Response:
    """A problem document. 429 and 503 say when to retry (`retry_after`, seconds), 401 how to authenticate."""
    members = dict(extra or {})
    retry_after = members.pop("retry_after", RETRY_AFTER_SECONDS if status == 503 else None)  # noqa: PLR2004
    body = document(status, code, title, detail, context_of(request).request_id) | members
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, headers, PROBLEM_JSON)


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, HoldfastError)
    if error.is_denial:
        await audit_trail.note_denied(request.app.state.holdfast, request, error)
    return answer(request, error)


def problem_of(error: HoldfastError, request_id: str) -> dict[str, Any]:
    """The problem document of an expected error, where there is no HTTP answer."""
    found = document(STATUS[error.category], error.code, error.title, error.detail, request_id)
    return found | error.extra


def answer(request: HTTPConnection, error: HoldfastError) -> Response:
    """The problem document of an expected error."""
    return problem_response(request, STATUS[error.category], error.code, error.title, error.detail, error.extra)


async def _invalid(request: Request, error: Exception) -> Response:
    """422 with the place and the reason, never with the value: it may be personal data."""
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes) and error.body:
        # FastAPI did not read it as JSON because of its Content-Type (RFC 9110, section 15.5.16).
        response = _framework_problem(request, _UNSUPPORTED)
        response.headers["Accept"] = "application/json"
        return response
    errors = places_of(error)
    first = errors[0]
    detail = f"{first['pointer']}: {first['message']}"
    title = InvalidRequestError.title
    return problem_response(request, 422, InvalidRequestError.code, title, detail, {"errors": errors})


def places_of(error: RequestValidationError) -> list[dict[str, str]]:
    """What is wrong where, as `pointer` and `message`; the first fifty."""
    return [
        {"pointer": pointer_of(found["loc"]), "message": found["msg"].removeprefix(_PREFIX)}
        for found in error.errors()[:_MOST_ERRORS]
    ]


def pointer_of(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901). The names in it come from the caller and may not be encodable."""
    parts = (str(part).encode(errors="replace").decode() for part in location)
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer_http(request, error)


def answer_http(request: Request, error: HTTPException) -> Response:
    """The problem document of what the framework refuses."""
    response = _framework_problem(request, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    if error.status_code == 405:  # noqa: PLR2004
        response.headers["Allow"] = ", ".join(_methods_at(request.app.routes, request.url.path))
    return response


def _framework_problem(request: Request, status: int, detail: str = "") -> Response:
    phrase = HTTPStatus(status).phrase
    code, title = FRAMEWORK_PROBLEMS.get(status, ("http_error", phrase))
    return problem_response(request, status, code, title, title if detail in ("", phrase) else detail)


def _methods_at(routes: Sequence[BaseRoute], path: str) -> list[str]:
    """Every method allowed at this path: the router itself names those of the first route only."""
    found: set[str] = set()
    for route in (context.original_route for context in iter_route_contexts(routes)):
        if isinstance(route, Route) and route.path_regex.match(path):
            found |= route.methods or set()
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def where_in(error: Exception) -> list[str]:
    """Our own frames of the traceback, and its last one. The message is left out: it may quote personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in [*own, *frames[-1:]]]


def answer_unexpected(request: Request, error: Exception) -> Response:
    """The answer to an unexpected error. The outermost middleware calls it, so that it carries the request id."""
    code, title, detail = log_unexpected(error)
    return problem_response(request, 503 if code == DATABASE_UNAVAILABLE[0] else 500, code, title, detail)


def log_unexpected(error: Exception) -> tuple[str, str, str]:
    """Log it without what it says; the code, title and detail to answer: of an outage, or of a fault of ours."""
    if is_outage(error):
        _log.warning("database_unavailable", error=type(error).__name__)
        code, title = DATABASE_UNAVAILABLE
        return code, title, title
    _log.error("unexpected_error", error=type(error).__name__, where=where_in(error))
    code, title = INTERNAL_ERROR
    return code, title, f"{title} Quote the request id to support."


def install(app: FastAPI) -> None:
    """Answer every kind of failure in this one shape."""
    app.add_exception_handler(HoldfastError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
