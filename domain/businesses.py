"""What a business's status lets happen."""

from typing import Final

from domain.errors import InvalidRequestError

_ACTIVE: Final = "active"
_SUSPENDED: Final = "suspended"


def takes_bookings(status: str) -> bool:
    """Whether it is neither being set up nor suspended."""
    return status == _ACTIVE


def require_taking_bookings(status: str) -> None:
    """Refuse what makes a new promise: a booking, a hold, a redeemed hold, a move to another time.

    What was promised before goes on: offers, answers, payments, cancellations and the rest of a booking's life.

    Raises:
        InvalidRequestError: the business is being set up or suspended.
    """
    if not takes_bookings(status):
        raise InvalidRequestError("This business does not take bookings at the moment.")


def require_not_suspended(status: str) -> None:
    """Refuse an import; a business that is being set up begins with one.

    Raises:
        InvalidRequestError: the business is suspended.
    """
    if status == _SUSPENDED:
        raise InvalidRequestError("This business is suspended: nothing is imported into it.")
