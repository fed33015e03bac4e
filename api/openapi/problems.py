"""The errors that each operation can answer, in the document.

Most follow from the operation's permission and parameters. The others are listed by operation.
"""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from api.errors import (
    DATABASE_UNAVAILABLE,
    FRAMEWORK_PROBLEMS,
    INTERNAL_ERROR,
    PROBLEM_JSON,
    STATUS,
    Problem,
)
from api.openapi.headers import RETRY_AFTER, WWW_AUTHENTICATE, of_every_answer
from domain.access import PERMITTED, Permission
from domain.callers import CallerKind
from domain.errors import (
    ERRORS_BY_CODE,
    AlreadyExistsError,
    AppointmentBegunError,
    BusyError,
    DayFullError,
    EndpointDisabledError,
    EngineUnavailableError,
    ForbiddenError,
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
    TooManyStreamsError,
    TooManyWebhookEndpointsError,
    UnauthenticatedError,
    WrongPasswordError,
)

Json = dict[str, Any]


class Code(NamedTuple):
    """A code on the wire."""

    status: int
    code: str
    title: str


FRAMEWORK: Final = {status: Code(status, *words) for status, words in FRAMEWORK_PROBLEMS.items()} | {
    500: Code(500, *INTERNAL_ERROR),
    503: Code(503, *DATABASE_UNAVAILABLE),
}
"""Codes that are not errors of the domain."""

UNASKED: Final = frozenset({Permission.PROBE, Permission.SIGN_IN, Permission.CALL_BACK})
"""Permissions whose routes ignore credentials that are not valid."""
_ALWAYS: Final = (414, 431, 500, 503)
_WITH_BODY: Final = (400, 408, 413, 415)

_PLACING: Final = (
    SlotUnavailableError,
    ProviderUnfitError,
    OutsideServiceAreaError,
    DayFullError,
    NotFoundError,
)
_COMMAND: Final = (InvalidTransitionError, EngineUnavailableError)

PARTICULAR: Final[Mapping[str, tuple[type[HoldfastError], ...]]] = {
    "login": (UnauthenticatedError, TooManyAttemptsError),
    "refresh": (UnauthenticatedError,),
    "register": (TooManyAttemptsError,),
    "verifyEmail": (TooManyAttemptsError, InvalidTokenError),
    "forgotPassword": (TooManyAttemptsError,),
    "resetPassword": (InvalidTokenError,),
    "changePassword": (TooManyAttemptsError, WrongPasswordError),
    "receiveHook": (UnauthenticatedError,),
    "createApiKey": (AlreadyExistsError, TooManyApiKeysError),
    "createWebhookEndpoint": (AlreadyExistsError, TooManyWebhookEndpointsError),
    "changeWebhookEndpoint": (AlreadyExistsError,),
    "retryWebhookDelivery": (JobNotRepairableError, EndpointDisabledError),
    "replayWebhookDeliveries": (EndpointDisabledError,),
    "listEvents": (NotFoundError, TooManyStreamsError),
    "streamBookingEvents": (TooManyStreamsError,),
    "streamMyEvents": (TooManyStreamsError,),
    "listServices": (ForbiddenError,),
    "createExport": (TooManyFilesError, StorageUnavailableError),
    "getExport": (StorageUnavailableError,),
    "metrics": (NotFoundError,),
    "addAttachment": (TooManyFilesError, StorageUnavailableError),
    "getAttachment": (StorageUnavailableError,),
    "deleteAttachment": (ForbiddenError,),
    "createBusiness": (AlreadyExistsError,),
    "changeBusiness": (AlreadyExistsError, NotReadyError),
    "createService": (AlreadyExistsError,),
    "changeService": (AlreadyExistsError,),
    "createProvider": (AlreadyExistsError,),
    "changeProvider": (AlreadyExistsError,),
    "putMember": (LastOwnerError,),
    "removeMember": (LastOwnerError,),
    "putIntegration": (PortTakenError,),
    "deleteIntegration": (IntegrationInUseError,),
    "reconcileBusiness": (EngineUnavailableError,),
    "retryJob": (JobNotRepairableError,),
    "skipJob": (JobNotRepairableError,),
    "changeCustomer": (AlreadyExistsError,),
    "importBusiness": (ImportInvalidError,),
    "payBooking": (NothingToPayError, TooManyPaymentTriesError, PaymentUnavailableError),
    "createBooking": (
        *_PLACING,
        HoldExpiredError,
        PriceChangedError,
        BusyError,
        ForbiddenError,
        PaymentUnavailableError,
    ),
    "createHold": (*_PLACING, TooManyHoldsError),
    "acceptBooking": _COMMAND,
    "rejectBooking": _COMMAND,
    "startBooking": _COMMAND,
    "completeBooking": _COMMAND,
    "reportNoShow": _COMMAND,
    "cancelBooking": _COMMAND,
    "rescheduleBooking": (
        *_COMMAND,
        AppointmentBegunError,
        SlotUnavailableError,
        ProviderUnfitError,
        OutsideServiceAreaError,
        DayFullError,
    ),
    "assignBooking": (*_COMMAND, SlotUnavailableError, ProviderUnfitError, OutsideServiceAreaError),
    "overrideBooking": (*_COMMAND, SlotUnavailableError),
}
"""Errors of single operations, beside those of every operation of their kind."""

_EXTENSIONS: Final[Json] = {
    "errors": {
        "type": "array",
        "description": "`invalid_request`: what is wrong where; never with the value. `import_invalid`: the rows.",
        "items": {"type": "object", "additionalProperties": True},
    },
    "errors_total": {
        "type": "integer",
        "description": "`import_invalid`: how many there are; the first are listed.",
    },
    "current_status": {"type": "string", "description": "`invalid_transition`: the booking's status."},
    "allowed": {
        "type": "array",
        "items": {"type": "string"},
        "description": "`invalid_transition`: the statuses that it may go to.",
    },
    "price": {
        "type": "object",
        "properties": {"amount_minor": {"type": "integer"}, "currency": {"type": "string"}},
        "description": "`price_changed`: what the booking costs now.",
    },
    "vendor": {"type": "string", "description": "`port_taken`: who does it."},
    "payments": {"type": "integer", "description": "`integration_in_use`: how many of them have not ended."},
    "state": {"type": "string", "description": "`job_not_repairable`: the job's state."},
    "missing": {
        "type": "array",
        "items": {"type": "string"},
        "description": "`not_ready`: what the business lacks.",
    },
    "id": {"type": "string", "description": "`already_exists`: of the one there is, for those who may know."},
}


def codes_of(permission: Permission, operation: Json, operation_id: str) -> list[Code]:
    """Every code that the operation can answer, by status."""
    found = {code_of(error) for error in (*_of_kind(permission, operation), *PARTICULAR.get(operation_id, ()))}
    statuses = (*_ALWAYS, *_WITH_BODY) if "requestBody" in operation else _ALWAYS
    return sorted(found | {FRAMEWORK[status] for status in statuses})


def code_of(error: type[HoldfastError]) -> Code:
    """The HTTP form of an error of the domain."""
    return Code(STATUS[error.category], error.code, error.title)


def every_code() -> list[Code]:
    """All codes of the API, by status."""
    return sorted({code_of(error) for error in ERRORS_BY_CODE.values()} | set(FRAMEWORK.values()))


def _of_kind(permission: Permission, operation: Json) -> Iterator[type[HoldfastError]]:
    rule = PERMITTED[permission]
    yield from (InvalidRequestError, TimedOutError)  # unknown query parameters are refused everywhere
    if permission not in UNASKED:
        yield UnauthenticatedError  # even where no credentials are needed, those that are sent must be valid
    if permission is not Permission.PROBE:
        yield RateLimitedError
    if CallerKind.ANONYMOUS not in rule.kinds or rule.scope is not None:
        yield ForbiddenError
    for parameter in operation.get("parameters", ()):
        yield from _OF_PARAMETERS.get(parameter["name"], ())
        if parameter.get("required"):
            yield from _OF_REQUIRED.get(parameter["name"], ())
        if parameter["in"] == "path":
            yield NotFoundError


_OF_PARAMETERS: Final[Mapping[str, tuple[type[HoldfastError], ...]]] = {
    "cursor": (InvalidCursorError,),
    "If-Match": (StaleError,),
    "Idempotency-Key": (RequestInFlightError, IdempotencyMismatchError),
}
_OF_REQUIRED: Final[Mapping[str, tuple[type[HoldfastError], ...]]] = {
    "If-Match": (PreconditionRequiredError,),
    "Idempotency-Key": (IdempotencyKeyMissingError,),
}


def problem_schema() -> Json:
    """The schema of every problem."""
    schema = Problem.model_json_schema()
    schema["description"] = "What went wrong (RFC 9457). `code` is stable: branch on it, not on the texts."
    schema["properties"] |= _EXTENSIONS
    schema["additionalProperties"] = True
    return schema


def response_name(status: int, codes: Iterable[Code]) -> str:
    """The name of the component that describes these codes of one status."""
    return ".".join([str(status), *(code.code for code in codes)])


def response(status: int, codes: list[Code]) -> Json:
    """A response with one of these codes."""
    only = {"type": "object", "properties": {"code": {"enum": [code.code for code in codes]}}}
    content: Json = {
        "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, only]},
        "examples": {code.code: {"summary": code.title, "value": _example(code)} for code in codes},
    }
    return {
        "description": "A problem: " + ", ".join(f"`{code.code}`" for code in codes),
        "headers": of_every_answer() | _further_headers(status),
        "content": {PROBLEM_JSON: content},
    }


def _example(code: Code) -> Json:
    return {
        "type": f"urn:holdfast:problem:{code.code}",
        "title": code.title,
        "status": code.status,
        "detail": code.title,
        "code": code.code,
        "request_id": "01939a5c-1f0e-7c44-9d7b-3f1d2f3b6a10",
    }


def _further_headers(status: int) -> Json:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return WWW_AUTHENTICATE
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            return RETRY_AFTER
    return {}
