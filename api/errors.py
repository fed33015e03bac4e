"""Every failure as a problem document (RFC 9457) with a stable code and the request's id; never a trace."""

import traceback
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from api.audit import trail
from api.request_context import context_of
from db.engine import is_outage
from domain.errors import (
    AlreadyExistsError,
    AppointmentBegunError,
    BusyError,
    DayFullError,
    EndpointDisabledError,
    EngineUnavailableError,
    ForbiddenError,
    HiddenError,
    HoldExpiredError,
    HoldfastError,
    IdempotencyKeyMissingError,
    IdempotencyMismatchError,
    ImportInvalidError,
    IntegrationInUseError,
    InvalidCursorError,
    InvalidRequestError,
    InvalidTokenError,
    InvalidTransitionError,
    JobNotRepairableError,
    LastOwnerError,
    NotFoundError,
    NothingToPayError,
    NotReadyError,
    OutsideServiceAreaError,
    PaymentUnavailableError,
    PortTakenError,
    PreconditionRequiredError,
    PriceChangedError,
    ProviderUnfitError,
    RateLimitedError,
    RequestInFlightError,
    SlotUnavailableError,
    StaleError,
    StorageUnavailableError,
    TimedOutError,
    TooManyApiKeysError,
    TooManyAttemptsError,
    TooManyFilesError,
    TooManyHoldsError,
    TooManyPaymentTriesError,
    TooManyWebhookEndpointsError,
    UnauthenticatedError,
    WrongPasswordError,
)

_log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 2

STATUS: dict[type[HoldfastError], int] = {
    IdempotencyKeyMissingError: 400,
    InvalidCursorError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    WrongPasswordError: 403,
    NotFoundError: 404,
    HiddenError: 404,
    InvalidTransitionError: 409,
    AppointmentBegunError: 409,
    SlotUnavailableError: 409,
    DayFullError: 409,
    HoldExpiredError: 409,
    PriceChangedError: 409,
    TooManyHoldsError: 409,
    TooManyApiKeysError: 409,
    TooManyFilesError: 409,
    TooManyWebhookEndpointsError: 409,
    EndpointDisabledError: 409,
    AlreadyExistsError: 409,
    PortTakenError: 409,
    IntegrationInUseError: 409,
    JobNotRepairableError: 409,
    LastOwnerError: 409,
    NotReadyError: 409,
    NothingToPayError: 409,
    TooManyPaymentTriesError: 409,
    RequestInFlightError: 409,
    StaleError: 412,
    PreconditionRequiredError: 428,
    RateLimitedError: 429,
    TooManyAttemptsError: 429,
    InvalidTokenError: 422,
    OutsideServiceAreaError: 422,
    ImportInvalidError: 422,
    InvalidRequestError: 422,
    ProviderUnfitError: 422,
    PaymentUnavailableError: 422,
    IdempotencyMismatchError: 422,
    StorageUnavailableError: 503,
    BusyError: 503,
    EngineUnavailableError: 503,
    TimedOutError: 503,
}
_DENIED = (UnauthenticatedError, ForbiddenError, HiddenError)

_UNSUPPORTED = 415
_MOST_ERRORS = 50
_PREFIX = "Value error, "
"""What Pydantic puts before sentences of ours."""
FRAMEWORK_PROBLEMS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "The request is malformed."),
    404: ("not_found", "There is no such thing, or it is not yours to see."),
    408: ("request_timeout", "The request did not arrive in time."),
    405: ("method_not_allowed", "This cannot be done here. `Allow` lists what can."),
    413: ("payload_too_large", "The request's body is too large."),
    414: ("uri_too_long", "The request's URL is too long."),
    _UNSUPPORTED: ("unsupported_media_type", "Send the body as `Content-Type: application/json`."),
    422: (InvalidRequestError.code, InvalidRequestError.title),
    431: ("headers_too_large", "The request's header fields are too large."),
}
"""What is refused before a route sees it: status, code and title."""


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
    """The members that every problem document has (RFC 9457, section 3.1), and our own two."""
    return {
        "type": f"urn:holdfast:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }


def problem_response(
    request: Request, status: int, code: str, title: str, detail: str, extra: dict[str, Any] | None = None
) -> Response:
    """A problem document; 429 and 503 tell when to come back (`retry_after`), 401 how to prove who one is."""
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
    if isinstance(error, _DENIED):
        await trail.note_denied(request.app.state.holdfast, request, error)
    return answer(request, error)


def answer(request: Request, error: HoldfastError) -> Response:
    """The problem document of an expected error."""
    status = STATUS.get(type(error), 400)
    extra = dict(error.extra)
    wait = extra.pop("retry_after", None)
    response = problem_response(request, status, error.code, error.title, error.detail, extra)
    if wait is not None:
        response.headers["Retry-After"] = str(wait)
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    """422 with where and what, but never the value: it may be somebody's data."""
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes) and error.body:
        # It was not even read as JSON, for its Content-Type says that it is something else (RFC 9110, 15.5.16).
        response = _framework_problem(request, _UNSUPPORTED)
        response.headers["Accept"] = "application/json"
        return response
    errors = [
        {"pointer": _pointer(found["loc"]), "message": found["msg"].removeprefix(_PREFIX)}
        for found in error.errors()[:_MOST_ERRORS]
    ]
    first = errors[0]
    detail = f"{first['pointer']}: {first['message']}"
    title = InvalidRequestError.title
    return problem_response(request, 422, InvalidRequestError.code, title, detail, {"errors": errors})


def _pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901). What it names was sent to us, and need not be text that can be written."""
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
    """Every method that something at this path takes: the router names those of the first route only."""
    found: set[str] = set()
    for route in (context.original_route for context in iter_route_contexts(routes)):
        if isinstance(route, Route) and route.path_regex.match(path):
            found |= route.methods or set()
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def _where(error: Exception) -> list[str]:
    """Our own frames that led to an error, and the last of all; not its message, which may quote people's data."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in [*own, *frames[-1:]]]


def answer_unexpected(request: Request, error: Exception) -> Response:
    """The answer to what no handler knows; called by the outermost middleware, so that it carries the id."""
    if is_outage(error):
        _log.warning("database_unavailable", error=type(error).__name__)
        title = "The database cannot be reached right now. Try again soon."
        return problem_response(request, 503, "database_unavailable", title, title)
    _log.error("unexpected_error", error=type(error).__name__, where=_where(error))
    title = "Something went wrong on our side."
    return problem_response(request, 500, "internal_error", title, f"{title} Quote the request id to support.")


def install(app: FastAPI) -> None:
    """Answer every kind of failure in this one shape."""
    app.add_exception_handler(HoldfastError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
