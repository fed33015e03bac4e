"""Who may be asking: a user, a program with an API key, the holder of a booking's manage link, or anybody."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.lifecycle import DESK, Role


class CallerKind(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    API_KEY = "api_key"
    GUEST = "guest"


class Scope(StrEnum):
    """What an API key may be allowed."""

    BOOK = "book"
    """Book for customers that it names: all that a widget on a public page needs."""
    READ_BOOKINGS = "bookings:read"
    MANAGE_BOOKINGS = "bookings:manage"
    """Give every command but an override."""
    READ_EVENTS = "events:read"
    """The stream of the business's events."""
    READ_CUSTOMERS = "customers:read"
    MANAGE_CUSTOMERS = "customers:manage"
    MANAGE_BUSINESS = "business:manage"
    """The business, its catalogue, hours, areas and webhooks; import and export."""


class Membership(BaseModel):
    """A role in a business; providers act as one provider of it."""

    model_config = ConfigDict(frozen=True)

    business_id: UUID
    role: Role
    provider_id: UUID | None = None


class Principal(BaseModel):
    """A user who has proved who they are. Everybody may be a customer; memberships add to it."""

    model_config = ConfigDict(frozen=True)

    user_id: UUID
    memberships: tuple[Membership, ...] = ()
    session_id: UUID | None = None
    """The login that they speak by."""

    @property
    def kind(self) -> CallerKind:
        return CallerKind.USER

    @property
    def id(self) -> UUID:
        return self.user_id


class KeyHolder(BaseModel):
    """A program of one business: what its API key's scopes say, it may do as an owner of it would."""

    model_config = ConfigDict(frozen=True)

    key_id: UUID
    business_id: UUID
    scopes: frozenset[Scope]

    @property
    def is_public(self) -> bool:
        """Whether it may stand in a web page, for everybody to read: it can do no more than a guest."""
        return self.scopes <= {Scope.BOOK}

    @property
    def kind(self) -> CallerKind:
        return CallerKind.API_KEY

    @property
    def id(self) -> UUID:
        return self.key_id

    @property
    def memberships(self) -> tuple[Membership, ...]:
        return (Membership(business_id=self.business_id, role=Role.OWNER),)


class Guest(BaseModel):
    """Whoever holds the manage link of one booking: its customer, without an account."""

    model_config = ConfigDict(frozen=True)

    booking_id: UUID

    @property
    def kind(self) -> CallerKind:
        return CallerKind.GUEST

    @property
    def id(self) -> UUID:
        return self.booking_id

    @property
    def memberships(self) -> tuple[Membership, ...]:
        return ()


class Anonymous(BaseModel):
    """Somebody who has not said who they are."""

    model_config = ConfigDict(frozen=True)

    @property
    def kind(self) -> CallerKind:
        return CallerKind.ANONYMOUS

    @property
    def id(self) -> None:
        return None

    @property
    def memberships(self) -> tuple[Membership, ...]:
        return ()


ANONYMOUS: Final = Anonymous()
Caller = Principal | KeyHolder | Guest | Anonymous


def businesses_run_by(caller: Caller) -> tuple[UUID, ...]:
    """The businesses whose every booking they may see."""
    return tuple({m.business_id for m in caller.memberships if m.role in DESK})


def providers_acted_as_by(caller: Caller) -> tuple[UUID, ...]:
    """The providers that they are."""
    return tuple({m.provider_id for m in caller.memberships if m.provider_id is not None})


def is_party_to(caller: Caller, booking_id: UUID, business_id: UUID, customer_user_id: UUID | None) -> bool:
    """Whether they are the booking's customer, or have any role in its business."""
    if isinstance(caller, Guest):
        return caller.booking_id == booking_id
    is_customer = customer_user_id is not None and customer_user_id == caller.id
    return is_customer or any(m.business_id == business_id for m in caller.memberships)
