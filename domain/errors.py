"""Expected failures: one typed family. Each is declared once, with its code, its category and its default words.

A code is part of the API: clients branch on it, so it is never renamed. Boundaries map categories, not classes.
"""

from enum import StrEnum
from typing import Any, ClassVar, Final, Self


class Category(StrEnum):
    """What kind of failure it is, whatever the protocol."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    """The present state does not allow it."""
    STALE = "stale"
    """It was meant for an earlier version."""
    INVALID = "invalid"
    """It can be read, but not be done as asked."""
    PRECONDITION_REQUIRED = "precondition_required"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    """It may succeed later, unchanged."""


class HoldfastError(Exception):
    """Base of everything that can go wrong in the ordinary course of business."""

    code: ClassVar[str] = "error"
    category: ClassVar[Category] = Category.MALFORMED
    title: ClassVar[str] = "The request could not be carried out."
    is_denial: ClassVar[bool] = False
    """The audit log has a line of it: somebody was refused access."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "category" in vars(cls):
            assert cls.code not in ERRORS_BY_CODE, f"two errors have the code {cls.code}"
            ERRORS_BY_CODE[cls.code] = cls

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra
        """Members that travel with the error, JSON-able: `allowed`, `current_status`, …"""


ERRORS_BY_CODE: Final[dict[str, type[HoldfastError]]] = {}
"""Every error that declares a category, by its code: what callers may be answered with."""


class NotFoundError(HoldfastError):
    code = "not_found"
    category = Category.NOT_FOUND
    title = "There is no such thing, or it is not yours to see."


class HiddenError(NotFoundError):
    """It exists, but the caller is told that it does not. The audit log says so."""

    is_denial = True


class UnauthenticatedError(HoldfastError):
    code = "unauthenticated"
    category = Category.UNAUTHENTICATED
    is_denial = True
    title = "Log in first: send a valid access token as `Authorization: Bearer …`."


class ForbiddenError(HoldfastError):
    code = "forbidden"
    category = Category.FORBIDDEN
    is_denial = True
    title = "Your role does not allow this."


class InvalidTransitionError(HoldfastError):
    code = "invalid_transition"
    category = Category.CONFLICT
    title = "The booking's status does not allow this."


class AppointmentBegunError(HoldfastError):
    code = "appointment_begun"
    category = Category.CONFLICT
    title = "The appointment has begun: only the business can move it now."


class RepeatedCommandError(HoldfastError):
    """The command was applied before, and the booking has changed since: the history has its answer.

    It passes between the workflow and the API only. No caller sees it, so it declares no category.
    """

    code = "command_repeated"
    title = "This command was applied before."


class SlotUnavailableError(HoldfastError):
    code = "slot_unavailable"
    category = Category.CONFLICT
    title = "This time is not free. Choose another time or another provider."


class ProviderUnfitError(HoldfastError):
    code = "provider_unfit"
    category = Category.INVALID
    title = "This provider does not offer the service or is not available."


class OutsideServiceAreaError(HoldfastError):
    code = "outside_service_area"
    category = Category.INVALID
    title = "This business does not come to that postal code."


class DayFullError(HoldfastError):
    code = "day_full"
    category = Category.CONFLICT
    title = "This service takes no more bookings on that day. Choose another day."


class HoldExpiredError(HoldfastError):
    code = "hold_expired"
    category = Category.CONFLICT
    title = "The time is no longer held. Look for a slot and hold it again."


class PriceChangedError(HoldfastError):
    code = "price_changed"
    category = Category.CONFLICT
    title = "The booking costs something else than you expect. `price` says what it costs now."


class TooManyHoldsError(HoldfastError):
    code = "too_many_holds"
    category = Category.CONFLICT
    title = "You hold as much time as one may at once. Book it or give some back."


class TooManyApiKeysError(HoldfastError):
    code = "too_many_api_keys"
    category = Category.CONFLICT
    title = "The business has as many API keys as it may. Revoke one that is not needed."


class TooManyWebhookEndpointsError(HoldfastError):
    code = "too_many_webhook_endpoints"
    category = Category.CONFLICT
    title = "The business has as many webhook endpoints as it may. Delete one that is not needed."


class EndpointDisabledError(HoldfastError):
    code = "endpoint_disabled"
    category = Category.CONFLICT
    title = "The webhook endpoint is disabled. Enable it first."


class TooManyFilesError(HoldfastError):
    code = "too_many_files"
    category = Category.CONFLICT
    title = "There are as many files as there may be. Take one away that is not needed."


class AlreadyExistsError(HoldfastError):
    code = "already_exists"
    category = Category.CONFLICT
    title = "There is one with this key already."


class PortTakenError(HoldfastError):
    code = "port_taken"
    category = Category.CONFLICT
    title = "Another vendor does this for the business already. Remove that one first."


class IntegrationInUseError(HoldfastError):
    code = "integration_in_use"
    category = Category.CONFLICT
    title = "Payments are under way with this vendor. Disable it until they have ended."


class JobNotRepairableError(HoldfastError):
    code = "job_not_repairable"
    category = Category.CONFLICT
    title = "The job is done, or being attempted at this moment: there is nothing to repair."


class LastOwnerError(HoldfastError):
    code = "last_owner"
    category = Category.CONFLICT
    title = "A business keeps at least one owner. Make somebody else an owner first."


class StaleError(HoldfastError):
    code = "stale"
    category = Category.STALE
    title = "Somebody changed it since you read it. Read it again, then repeat your change."


class NotReadyError(HoldfastError):
    code = "not_ready"
    category = Category.CONFLICT
    title = "The business cannot take bookings yet."


class ImportInvalidError(HoldfastError):
    code = "import_invalid"
    category = Category.INVALID
    title = "The import has rows that cannot be taken. Nothing was stored."


class InvalidRequestError(HoldfastError):
    code = "invalid_request"
    category = Category.INVALID
    title = "The request is not valid."

    @classmethod
    def at(cls, pointer: str, message: str) -> Self:
        """An error with the JSON pointer of the part of the request that is wrong."""
        return cls(f"{pointer}: {message}", errors=[{"pointer": pointer, "message": message}])


class PaymentUnavailableError(HoldfastError):
    code = "payment_unavailable"
    category = Category.INVALID
    title = "This service is to be paid for, and the business cannot take the payment at the moment."


class NothingToPayError(HoldfastError):
    code = "nothing_to_pay"
    category = Category.CONFLICT
    title = "This booking waits for no payment, or a method is being tried already."


class TooManyPaymentTriesError(HoldfastError):
    code = "too_many_payment_tries"
    category = Category.CONFLICT
    title = "As many methods were tried for this booking as may be."


class IdempotencyMismatchError(HoldfastError):
    code = "idempotency_key_reused"
    category = Category.INVALID
    title = "This Idempotency-Key was used before with another request. Use a new key."


class IdempotencyKeyMissingError(HoldfastError):
    code = "idempotency_key_missing"
    category = Category.MALFORMED
    title = "The header Idempotency-Key is missing: send a fresh unique value, a UUID for example."


class RequestInFlightError(HoldfastError):
    code = "request_in_flight"
    category = Category.CONFLICT
    title = "A request with this Idempotency-Key is still being carried out. Ask again in a moment."


class PreconditionRequiredError(HoldfastError):
    code = "precondition_required"
    category = Category.PRECONDITION_REQUIRED
    title = "Send `If-Match` with the ETag that you have read, so that nobody's change is lost."


class InvalidCursorError(HoldfastError):
    code = "invalid_cursor"
    category = Category.MALFORMED
    title = "The cursor is not one of ours, or not of this listing: begin again without it."


class InvalidTokenError(HoldfastError):
    code = "token_invalid"
    category = Category.INVALID
    title = "This link has been used, has run out or was never sent. Ask for a new one."


class WrongPasswordError(HoldfastError):
    code = "wrong_password"
    category = Category.FORBIDDEN
    title = "The present password is another one."


class RateLimitedError(HoldfastError):
    code = "rate_limited"
    category = Category.THROTTLED
    title = "Too many requests. Wait as long as Retry-After says."


class TooManyStreamsError(HoldfastError):
    code = "too_many_streams"
    category = Category.THROTTLED
    title = "You have as many live streams open as may be. Close one, or share one between your pages."


class TooManyAttemptsError(HoldfastError):
    code = "too_many_attempts"
    category = Category.THROTTLED
    title = "Too many attempts failed. Wait as long as Retry-After says."


class TimedOutError(HoldfastError):
    code = "timed_out"
    category = Category.UNAVAILABLE
    title = "The request took too long and was given up. It may or may not have been carried out."


class StorageUnavailableError(HoldfastError):
    code = "storage_unavailable"
    category = Category.UNAVAILABLE
    title = "The place where files are kept cannot be reached right now. Nothing was stored; try again soon."


class BusyError(HoldfastError):
    code = "start_backlog_full"
    category = Category.UNAVAILABLE
    title = "Too many bookings wait to be processed. Nothing was stored; try again soon."


class EngineUnavailableError(HoldfastError):
    code = "engine_unavailable"
    category = Category.UNAVAILABLE
    title = "The booking engine cannot be reached right now. Try again soon."
