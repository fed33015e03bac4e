"""Expected failures: one typed family, each with a stable `code`, mapped once per boundary.

A code is part of the API: clients branch on it, so it is never renamed.
"""

from typing import Any, ClassVar, Self


class HoldfastError(Exception):
    """Base of everything that can go wrong in the ordinary course of business."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "The request could not be carried out."

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra
        """Members that travel with the error, JSON-able: `allowed`, `current_status`, …"""


class NotFoundError(HoldfastError):
    code = "not_found"
    title = "There is no such thing, or it is not yours to see."


class HiddenError(NotFoundError):
    """It is there, and the caller is not told so: the audit log is."""


class UnauthenticatedError(HoldfastError):
    code = "unauthenticated"
    title = "Log in first: send a valid access token as `Authorization: Bearer …`."


class ForbiddenError(HoldfastError):
    code = "forbidden"
    title = "Your role does not allow this."


class InvalidTransitionError(HoldfastError):
    code = "invalid_transition"
    title = "The booking's status does not allow this."


class AppointmentBegunError(HoldfastError):
    code = "appointment_begun"
    title = "The appointment has begun: only the business can move it now."


class RepeatedCommandError(HoldfastError):
    """The command was applied before, and the booking has gone on since: the history has its answer.

    Between the workflow and the API only; nobody is answered with it.
    """

    code = "command_repeated"
    title = "This command was applied before."


class SlotUnavailableError(HoldfastError):
    code = "slot_unavailable"
    title = "This time is not free. Choose another time or another provider."


class ProviderUnfitError(HoldfastError):
    code = "provider_unfit"
    title = "This provider does not offer the service or is not available."


class OutsideServiceAreaError(HoldfastError):
    code = "outside_service_area"
    title = "This business does not come to that postal code."


class DayFullError(HoldfastError):
    code = "day_full"
    title = "This service takes no more bookings on that day. Choose another day."


class HoldExpiredError(HoldfastError):
    code = "hold_expired"
    title = "The time is no longer held. Look for a slot and hold it again."


class PriceChangedError(HoldfastError):
    code = "price_changed"
    title = "The booking costs something else than you expect. `price` says what it costs now."


class TooManyHoldsError(HoldfastError):
    code = "too_many_holds"
    title = "You hold as much time as one may at once. Book it or give some back."


class TooManyApiKeysError(HoldfastError):
    code = "too_many_api_keys"
    title = "The business has as many API keys as it may. Revoke one that is not needed."


class TooManyWebhookEndpointsError(HoldfastError):
    code = "too_many_webhook_endpoints"
    title = "The business has as many webhook endpoints as it may. Delete one that is not needed."


class EndpointDisabledError(HoldfastError):
    code = "endpoint_disabled"
    title = "The webhook endpoint is disabled. Enable it first."


class TooManyFilesError(HoldfastError):
    code = "too_many_files"
    title = "There are as many files as there may be. Take one away that is not needed."


class AlreadyExistsError(HoldfastError):
    code = "already_exists"
    title = "There is one with this key already."


class PortTakenError(HoldfastError):
    code = "port_taken"
    title = "Another vendor does this for the business already. Remove that one first."


class IntegrationInUseError(HoldfastError):
    code = "integration_in_use"
    title = "Payments are under way with this vendor. Disable it until they have ended."


class JobNotRepairableError(HoldfastError):
    code = "job_not_repairable"
    title = "The job is done, or being attempted at this moment: there is nothing to repair."


class LastOwnerError(HoldfastError):
    code = "last_owner"
    title = "A business keeps at least one owner. Make somebody else an owner first."


class StaleError(HoldfastError):
    code = "stale"
    title = "Somebody changed it since you read it. Read it again, then repeat your change."


class NotReadyError(HoldfastError):
    code = "not_ready"
    title = "The business cannot take bookings yet."


class ImportInvalidError(HoldfastError):
    code = "import_invalid"
    title = "The import has rows that cannot be taken. Nothing was stored."


class InvalidRequestError(HoldfastError):
    code = "invalid_request"
    title = "The request is not valid."

    @classmethod
    def at(cls, pointer: str, message: str) -> Self:
        """An error with the JSON pointer of the part of the request that is wrong."""
        return cls(f"{pointer}: {message}", errors=[{"pointer": pointer, "message": message}])


class PaymentUnavailableError(HoldfastError):
    code = "payment_unavailable"
    title = "This service is to be paid for, and the business cannot take the payment at the moment."


class NothingToPayError(HoldfastError):
    code = "nothing_to_pay"
    title = "This booking waits for no payment, or a method is being tried already."


class TooManyPaymentTriesError(HoldfastError):
    code = "too_many_payment_tries"
    title = "As many methods were tried for this booking as may be."


class IdempotencyMismatchError(HoldfastError):
    code = "idempotency_key_reused"
    title = "This Idempotency-Key was used before with another request. Use a new key."


class IdempotencyKeyMissingError(HoldfastError):
    code = "idempotency_key_missing"
    title = "The header Idempotency-Key is missing: send a fresh unique value, a UUID for example."


class RequestInFlightError(HoldfastError):
    code = "request_in_flight"
    title = "A request with this Idempotency-Key is still being carried out. Ask again in a moment."


class PreconditionRequiredError(HoldfastError):
    code = "precondition_required"
    title = "Send `If-Match` with the ETag that you have read, so that nobody's change is lost."


class InvalidCursorError(HoldfastError):
    code = "invalid_cursor"
    title = "The cursor is not one of ours, or not of this listing: begin again without it."


class InvalidTokenError(HoldfastError):
    code = "token_invalid"
    title = "This link has been used, has run out or was never sent. Ask for a new one."


class WrongPasswordError(HoldfastError):
    code = "wrong_password"
    title = "The present password is another one."


class RateLimitedError(HoldfastError):
    code = "rate_limited"
    title = "Too many requests. Wait as long as Retry-After says."


class TooManyAttemptsError(HoldfastError):
    code = "too_many_attempts"
    title = "Too many attempts failed. Wait as long as Retry-After says."


class TimedOutError(HoldfastError):
    code = "timed_out"
    title = "The request took too long and was given up. It may or may not have been carried out."


class StorageUnavailableError(HoldfastError):
    code = "storage_unavailable"
    title = "The place where files are kept cannot be reached right now. Nothing was stored; try again soon."


class BusyError(HoldfastError):
    code = "start_backlog_full"
    title = "Too many bookings wait to be processed. Nothing was stored; try again soon."


class EngineUnavailableError(HoldfastError):
    code = "engine_unavailable"
    title = "The booking engine cannot be reached right now. Try again soon."


ERRORS_BY_CODE: dict[str, type[HoldfastError]] = {
    cls.code: cls
    for cls in (
        NotFoundError,
        ForbiddenError,
        UnauthenticatedError,
        InvalidTransitionError,
        AppointmentBegunError,
        SlotUnavailableError,
        ProviderUnfitError,
        OutsideServiceAreaError,
        DayFullError,
        HoldExpiredError,
        PriceChangedError,
        TooManyHoldsError,
        TooManyApiKeysError,
        TooManyFilesError,
        TooManyWebhookEndpointsError,
        EndpointDisabledError,
        AlreadyExistsError,
        PortTakenError,
        IntegrationInUseError,
        JobNotRepairableError,
        LastOwnerError,
        StaleError,
        NotReadyError,
        ImportInvalidError,
        InvalidRequestError,
        PaymentUnavailableError,
        NothingToPayError,
        TooManyPaymentTriesError,
        IdempotencyMismatchError,
        IdempotencyKeyMissingError,
        RequestInFlightError,
        PreconditionRequiredError,
        InvalidCursorError,
        InvalidTokenError,
        WrongPasswordError,
        RateLimitedError,
        TooManyAttemptsError,
        TimedOutError,
        StorageUnavailableError,
        BusyError,
        EngineUnavailableError,
    )
}
