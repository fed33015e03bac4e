"""Every failure as a gRPC status with a stable reason and the request id, never with a trace.

The details are `google.rpc.ErrorInfo`, `BadRequest` of what does not fit, `RetryInfo` where trying again helps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import grpc
import orjson
from fastapi.exceptions import RequestValidationError
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from api.errors import DATABASE_UNAVAILABLE, RETRY_AFTER_SECONDS, log_unexpected, places_of
from api.streams.stream import Ending
from domain.errors import (
    AlreadyExistsError,
    Category,
    HoldfastError,
    IdempotencyKeyMissingError,
    InvalidRequestError,
    PreconditionRequiredError,
    RequestInFlightError,
    TimedOutError,
)

Code = grpc.StatusCode

DOMAIN: Final = "holdfast"
CODES: Final[Mapping[str, Code]] = MappingProxyType(
    {
        Category.MALFORMED: Code.INVALID_ARGUMENT,
        Category.UNAUTHENTICATED: Code.UNAUTHENTICATED,
        Category.FORBIDDEN: Code.PERMISSION_DENIED,
        Category.NOT_FOUND: Code.NOT_FOUND,
        Category.CONFLICT: Code.FAILED_PRECONDITION,
        Category.STALE: Code.ABORTED,
        Category.INVALID: Code.INVALID_ARGUMENT,
        Category.PRECONDITION_REQUIRED: Code.INVALID_ARGUMENT,
        Category.THROTTLED: Code.RESOURCE_EXHAUSTED,
        Category.UNAVAILABLE: Code.UNAVAILABLE,
        # Errors for which gRPC has a code of their own.
        AlreadyExistsError.code: Code.ALREADY_EXISTS,
        RequestInFlightError.code: Code.ABORTED,
        TimedOutError.code: Code.DEADLINE_EXCEEDED,
        # What no use case raises.
        Ending.RESTARTING: Code.UNAVAILABLE,
        Ending.INTERRUPTED: Code.UNAVAILABLE,
        Ending.RIGHTS_ENDED: Code.PERMISSION_DENIED,
        Ending.TOKEN_EXPIRED: Code.UNAUTHENTICATED,
        Ending.TOO_SLOW: Code.RESOURCE_EXHAUSTED,
        DATABASE_UNAVAILABLE[0]: Code.UNAVAILABLE,
    }
)
"""The code of each category of expected errors, and of single reasons that differ from their category."""
_WORDS: Final = MappingProxyType(
    {
        IdempotencyKeyMissingError.code: "Send a fresh unique value, such as a UUID, as `idempotency-key`.",
        PreconditionRequiredError.code: "Send the booking's `etag` that you have read, or `*` for any version.",
    }
)
"""In place of words that name HTTP's header fields."""
_ENDINGS: Final = MappingProxyType(
    {
        Ending.RESTARTING: "This server stops. Come back with the last cursor.",
        Ending.INTERRUPTED: "Something failed on our side. Come back with the last cursor.",
        Ending.RIGHTS_ENDED: "The login, key or role by which you listened is gone.",
        Ending.TOKEN_EXPIRED: "The token has ended. Come back with a new one and the last cursor.",
        Ending.TOO_SLOW: "You have not read what was sent. Come back with the last cursor.",
    }
)


class StreamEndedError(Exception):
    """A stream ends by itself."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending)
        self.ending = ending


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call fails, as its caller is told."""

    code: Code
    reason: str
    words: str
    places: list[dict[str, str]] = field(default_factory=list)
    """What does not fit, as `pointer` and `message`."""
    retry_after: float | None = None
    """Seconds."""
    more: Mapping[str, str] = field(default_factory=dict)

    def status(self, request_id: str) -> status_pb2.Status:
        """The status with its details."""
        details = [_packed(detail) for detail in self._details(request_id)]
        return status_pb2.Status(code=self.code.value[0], message=self.words, details=details)

    def _details(self, request_id: str) -> Iterator[Message]:
        about = {**self.more, "request_id": request_id}
        yield error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=about)
        if self.places:
            yield error_details_pb2.BadRequest(field_violations=[_violation(place) for place in self.places])
        if self.retry_after is not None:
            delay = Duration()
            delay.FromMilliseconds(round(self.retry_after * 1000))
            yield error_details_pb2.RetryInfo(retry_delay=delay)


def failure_of(error: Exception) -> Failure:
    """The failure that an exception means. What is not expected is logged."""
    match error:
        case HoldfastError():
            return _expected(error)
        case RequestValidationError():
            places = places_of(error)
            words = f"{_field(places[0]['pointer'])}: {places[0]['message']}"
            return Failure(Code.INVALID_ARGUMENT, InvalidRequestError.code, words, places)
        case StreamEndedError():
            retry_after = 0.0 if error.ending is Ending.RESTARTING else None
            return Failure(CODES[error.ending], error.ending, _ENDINGS[error.ending], retry_after=retry_after)
    reason, _, detail = log_unexpected(error)
    code = CODES.get(reason, Code.INTERNAL)
    return Failure(code, reason, detail, retry_after=RETRY_AFTER_SECONDS if code is Code.UNAVAILABLE else None)


def _expected(error: HoldfastError) -> Failure:
    code = CODES.get(error.code, CODES[error.category])
    more = dict(error.extra)
    places = more.pop("errors", [])
    retry_after = more.pop("retry_after", RETRY_AFTER_SECONDS if code is Code.UNAVAILABLE else None)
    told = {
        name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in more.items()
    }
    return Failure(code, error.code, _WORDS.get(error.code, error.detail), places, retry_after, told)


def _violation(place: Mapping[str, Any]) -> error_details_pb2.BadRequest.FieldViolation:
    return error_details_pb2.BadRequest.FieldViolation(
        field=_field(place["pointer"]), description=place["message"]
    )


def _field(pointer: str) -> str:
    """A JSON pointer as the path of a field: `/body/customer/email` is customer.email."""
    return pointer.removeprefix("/body").strip("/").replace("/", ".")


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
