"""Those who book without an account: what is asked of them, and the link by which they manage their booking.

Whoever gives a contact has not proved that it is theirs. So they learn nothing of the customer that it belongs to:
not their id, and not by whom they were served.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import orjson

from api.bookings.schemas import BookingIn
from api.identity.tokens import Tokens
from db.repositories.catalogue import Offering
from domain.access import Permission, may
from domain.booking import Actor
from domain.callers import Anonymous, Caller, Guest, KeyHolder, Principal, Scope
from domain.errors import InvalidRequestError, UnauthenticatedError
from domain.lifecycle import Role
from runtime.json import to_json

_LINK_OUTLIVES_BOOKING: Final = timedelta(days=7)
_SHORTEST_KEY: Final = 20
"""Characters. A UUID has 32 and more."""
_SEES_BOOKINGS: Final = frozenset({Scope.READ_BOOKINGS, Scope.MANAGE_BOOKINGS})


def is_stranger(caller: Caller, actor: Actor, business_id: UUID) -> bool:
    """Whether the contact that they give must be taken for what it is: something that they typed.

    It is, of whoever may not change customers here, staff and API keys included; users who book for themselves
    speak of themselves.
    """
    books_for_themselves = isinstance(caller, Principal) and actor.role is Role.CUSTOMER
    return not books_for_themselves and not may(caller, Permission.MANAGE_CUSTOMERS, business_id)


def shares_keys(caller: Caller) -> bool:
    """Whether others use Idempotency-Keys in the same scope: everybody who books through a public page does."""
    if isinstance(caller, KeyHolder):
        return Scope.MANAGE_CUSTOMERS not in caller.scopes
    return isinstance(caller, Anonymous | Guest)


def knows_customers(caller: Caller) -> bool:
    """Whether they are shown whose a booking is."""
    if isinstance(caller, KeyHolder):
        return not _SEES_BOOKINGS.isdisjoint(caller.scopes)
    return not isinstance(caller, Anonymous | Guest)


def require_bookable(offering: Offering, body: BookingIn) -> None:
    """Refuse a booking that cannot be made by somebody who has not logged in.

    Raises:
        UnauthenticatedError: this business takes none.
        InvalidRequestError: they cannot be reached.
    """
    if not offering.guest_bookings:
        raise UnauthenticatedError(
            "This business takes bookings only from customers with an account: log in first."
        )
    contact = body.customer
    if contact is None or (contact.email is None and contact.phone is None):
        raise invalid("/body/customer", "a guest gives a name, and an e-mail address or a phone number")


def require_good_key(key: str) -> None:
    """Refuse a key that could be guessed, of callers who share a scope with others.

    Raises:
        InvalidRequestError: whoever knew it and the body would get the answer, with the link in it.
    """
    if len(key) < _SHORTEST_KEY:
        raise invalid(
            "/header/Idempotency-Key",
            f"must be hard to guess, with {_SHORTEST_KEY} characters at least: send a UUID",
        )


def invalid(pointer: str, message: str) -> InvalidRequestError:
    """An error that says where it is, as those of the shapes do."""
    return InvalidRequestError(f"{pointer}: {message}", errors=[{"pointer": pointer, "message": message}])


def with_link(tokens: Tokens, body: bytes | str) -> bytes:
    """A booking's JSON with the token of its manage link: the same booking at the same time has the same link."""
    booking = orjson.loads(body)
    issued_at = datetime.fromisoformat(booking["created_at"])
    expires_at = datetime.fromisoformat(booking["ends_at"]) + _LINK_OUTLIVES_BOOKING
    token = tokens.issue_manage(UUID(booking["id"]), issued_at, expires_at)
    return to_json(booking | {"manage": {"token": token, "expires_at": expires_at}})
