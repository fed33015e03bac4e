"""Every failure as a problem document (RFC 9457) with a stable code and the request's id; never a trace."""

import traceback
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from api.audit import trail
from api.exchange import exchange_of
from db.engine import is_outage
from domain.errors import (
    AlreadyExistsError,
    BusyError,
    DayFullError,
    EngineUnavailableError,
    ForbiddenError,
    HiddenError,
    HoldExpiredError,
    HoldfastError,
    IdempotencyKeyMissingError,
    IdempotencyMismatchError,
    ImportInvalidError,
    InvalidCursorError,
    InvalidRequestError,
    InvalidTokenError,
    InvalidTransitionError,
    LastOwnerError,
    NotFoundError,
    NotReadyError,
    OutsideServiceAreaError,
    PreconditionRequiredError,
    ProviderUnfitError,
    RateLimitedError,
    RequestInFlightError,
    SlotUnavailableError,
    StaleError,
    TimedOutError,
    TooManyAttemptsError,
    TooManyHoldsError,
    UnauthenticatedError,
    WrongPasswordError,
)

_log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_SECONDS = 2

_STATUS: dict[type[HoldfastError], int] = {
    IdempotencyKeyMissingError: 400,
    InvalidCursorError: 400,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    WrongPasswordError: 403,
    NotFoundError: 404,
    HiddenError: 404,
    InvalidTransitionError: 409,
    SlotUnavailableError: 409,
    DayFullError: 409,
    HoldExpiredError: 409,
    TooManyHoldsError: 409,
    AlreadyExistsError: 409,
    LastOwnerError: 409,
    NotReadyError: 409,
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
    IdempotencyMismatchError: 422,
    BusyError: 503,
    EngineUnavailableError: 503,
    TimedOutError: 503,
}
_DENIED = (UnauthenticatedError, ForbiddenError, HiddenError)

_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


class Problem(BaseModel):
    """The shape of every error."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None


def problem_response(
    request: Request, status: int, code: str, title: str, detail: str, extra: dict[str, Any] | None = None
) -> Response:
    """A problem document; 503 tells when to come back, 401 how to prove who one is."""
    body = {
        "type": f"urn:holdfast:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": exchange_of(request).request_id,
        **(extra or {}),
    }
    headers = {}
    if status == 503:  # noqa: PLR2004
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 401:  # noqa: PLR2004
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, headers, PROBLEM_JSON)


async def _expected(request: Request, error: Exception) -> Response:
    assert isinstance(error, HoldfastError)
    if isinstance(error, _DENIED):
        await trail.note_denied(request.app.state.parts, request, error)
    return answer(request, error)


def answer(request: Request, error: HoldfastError) -> Response:
    """The problem document of an expected error."""
    status = _STATUS.get(type(error), 400)
    return problem_response(request, status, error.code, error.title, error.detail, error.extra)


async def _invalid(request: Request, error: Exception) -> Response:
    """422 with where and what, but never the value: it may be somebody's data."""
    assert isinstance(error, RequestValidationError)
    errors = [
        {"pointer": "/" + "/".join(str(part) for part in found["loc"]), "message": found["msg"]}
        for found in error.errors()
    ]
    first = errors[0]
    detail = f"{first['pointer']}: {first['message']}"
    title = InvalidRequestError.title
    return problem_response(request, 422, InvalidRequestError.code, title, detail, {"errors": errors})


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    response = problem_response(request, error.status_code, code, error.detail, error.detail)
    response.headers.update(error.headers or {})
    return response


def _where(error: Exception) -> list[str]:
    """Our own frames that led to an error, and the last of all; not its message, which may quote people's data."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in [*own, *frames[-1:]]]


async def answer_unexpected(request: Request, error: Exception) -> Response:
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
