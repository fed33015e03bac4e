"""Rules for callers who book without an account.

A contact that somebody types proves nothing. They learn nothing of the customer behind it: neither the id nor who
served them.
"""

from typing import Final
from uuid import UUID

from domain.access import Permission, may
from domain.booking import Actor
from domain.callers import Anonymous, Caller, Guest, KeyHolder, Principal, Scope
from domain.errors import InvalidRequestError, UnauthenticatedError
from domain.lifecycle import Role

_SHORTEST_KEY: Final = 20
"""Characters. A UUID has 32 and more."""
_SEES_BOOKINGS: Final = frozenset({Scope.READ_BOOKINGS, Scope.MANAGE_BOOKINGS})


def is_stranger(caller: Caller, actor: Actor, business_id: UUID) -> bool:
    """Whether the contact they give is unproven.

    It is unproven for every caller who may not change customers here, staff and API keys included, except for
    users who book for themselves.
    """
    books_for_themselves = isinstance(caller, Principal) and actor.role is Role.CUSTOMER
    return not books_for_themselves and not may(caller, Permission.MANAGE_CUSTOMERS, business_id)


def shares_keys(caller: Caller) -> bool:
    """Whether others use Idempotency-Keys in the same scope, as everybody does who books through a public page."""
    if isinstance(caller, KeyHolder):
        return Scope.MANAGE_CUSTOMERS not in caller.scopes
    return isinstance(caller, Anonymous | Guest)


def knows_customers(caller: Caller) -> bool:
    """Whether they see whose a booking is."""
    if isinstance(caller, KeyHolder):
        return not _SEES_BOOKINGS.isdisjoint(caller.scopes)
    return not isinstance(caller, Anonymous | Guest)


def require_bookable(*, takes_guests: bool, can_be_reached: bool) -> None:
    """Refuse a booking that a guest may not make.

    Raises:
        UnauthenticatedError: the business takes no bookings from guests.
        InvalidRequestError: the guest gives neither an e-mail address nor a phone number.
    """
    if not takes_guests:
        raise UnauthenticatedError(
            "This business takes bookings only from customers with an account: log in first."
        )
    if not can_be_reached:
        message = "a guest gives a name, and an e-mail address or a phone number"
        raise InvalidRequestError.at("/body/customer", message)


def require_good_key(key: str) -> None:
    """Refuse a key that can be guessed, of callers who share a scope with others.

    Raises:
        InvalidRequestError: whoever knew the key and the body would get the answer, with the manage link in it.
    """
    if len(key) < _SHORTEST_KEY:
        raise InvalidRequestError.at(
            "/header/Idempotency-Key",
            f"must be hard to guess, with {_SHORTEST_KEY} characters at least: send a UUID",
        )
