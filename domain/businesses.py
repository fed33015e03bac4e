"""What a business's status allows."""

from typing import Final

from domain.errors import InvalidRequestError

_ACTIVE: Final = "active"
_SUSPENDED: Final = "suspended"


def takes_bookings(status: str) -> bool:
    """Whether the business is neither being set up nor suspended."""
    return status == _ACTIVE


def require_taking_bookings(status: str) -> None:
    """Refuse new commitments: a booking, a hold, a redeemed hold, a move to another time.

    Existing ones continue: offers, answers, payments, cancellations and the rest of a booking's life.

    Raises:
        InvalidRequestError: the business is being set up or suspended.
    """
    if not takes_bookings(status):
        raise InvalidRequestError("This business does not take bookings at the moment.")


def require_not_suspended(status: str) -> None:
    """Refuse an import; a business in setup may import.

    Raises:
        InvalidRequestError: the business is suspended.
    """
    if status == _SUSPENDED:
        raise InvalidRequestError("This business is suspended: nothing is imported into it.")
