"""The kinds of callers: a user, a program with an API key, the holder of a booking's manage link, or anybody."""

from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from domain.lifecycle import MANAGERS, Role


class CallerKind(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    API_KEY = "api_key"
    GUEST = "guest"


class Scope(StrEnum):
    """What an API key may be allowed."""

    BOOK = "book"
    """Create bookings for named customers: all that a widget on a public page needs."""
    READ_BOOKINGS = "bookings:read"
    MANAGE_BOOKINGS = "bookings:manage"
    """Give every command except overrides."""
    READ_EVENTS = "events:read"
    """The stream of the business's events."""
    READ_CUSTOMERS = "customers:read"
    MANAGE_CUSTOMERS = "customers:manage"
    MANAGE_BUSINESS = "business:manage"
    """The business, its catalogue, hours, areas and webhooks; import and export."""


class Membership(BaseModel):
    """A role in a business; a provider's membership names the provider."""

    model_config = ConfigDict(frozen=True)

    business_id: UUID
    role: Role
    provider_id: UUID | None = None


class Principal(BaseModel):
    """An authenticated user. Every user may be a customer; memberships add roles."""

    model_config = ConfigDict(frozen=True)

    user_id: UUID
    memberships: tuple[Membership, ...] = ()
    session_id: UUID | None = None
    """The login session of the request."""

    @property
    def kind(self) -> CallerKind:
        return CallerKind.USER

    @property
    def id(self) -> UUID:
        return self.user_id


class KeyHolder(BaseModel):
    """A program of one business. Within its key's scopes it may act as an owner would."""

    model_config = ConfigDict(frozen=True)

    key_id: UUID
    business_id: UUID
    scopes: frozenset[Scope]
    is_configured: bool = False
    """Whether it holds a service's token, which the settings have and not the database."""

    @property
    def is_public(self) -> bool:
        """Whether the key may be published in a web page: it can do no more than a guest."""
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
    """The holder of one booking's manage link: its customer, without an account."""

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
    """An unauthenticated caller."""

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
    """The businesses in which they may see every booking."""
    return tuple({m.business_id for m in caller.memberships if m.role in MANAGERS})


def providers_acted_as_by(caller: Caller) -> tuple[UUID, ...]:
    """The providers that they act as."""
    return tuple({m.provider_id for m in caller.memberships if m.provider_id is not None})


def is_party_to(caller: Caller, booking_id: UUID, business_id: UUID, customer_user_id: UUID | None) -> bool:
    """Whether they are the booking's customer, or have any role in its business."""
    if isinstance(caller, Guest):
        return caller.booking_id == booking_id
    is_customer = customer_user_id is not None and customer_user_id == caller.id
    return is_customer or any(m.business_id == business_id for m in caller.memberships)
