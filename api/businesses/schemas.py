"""Shapes of businesses on the wire. Anybody may read `BusinessOut`; the whole policy is for the desk."""

from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from api.businesses.keys import OwnSlug
from api.shapes import CurrencyCode, Flag, In, Line, Zone
from db.repositories.rows import Row
from domain.lifecycle import Role
from domain.policies import Cancellation, Intake, Policy
from domain.text_patterns import TextPattern

BusinessStatus = Literal["setup", "active", "suspended"]
Locale = Annotated[
    str,
    Field(max_length=35, description="BCP 47, as en-US"),
    TextPattern("^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", "must be a language tag, as en-US"),
]

ABSENT: Final[Any] = Field(default_factory=lambda: None)
"""The default of a member of a change: never read, as only members that were sent are; null is refused."""


class BusinessIn(In):
    name: Line
    slug: OwnSlug | None = None
    """None: made from the name."""
    timezone: Zone
    currency: CurrencyCode
    locale: Locale = "en-US"
    guest_bookings: Flag = True
    policy: Policy = Policy()


class BusinessChange(In):
    name: Line = ABSENT
    slug: OwnSlug = ABSENT
    timezone: Zone = ABSENT
    currency: CurrencyCode = ABSENT
    locale: Locale = ABSENT
    status: BusinessStatus = ABSENT
    guest_bookings: Flag = ABSENT
    policy: Annotated[
        dict[str, Any],
        Field(
            max_length=50,
            description="Merged member by member into the policy (RFC 7396); null is back to the default.",
        ),
    ] = ABSENT


class BookingTerms(BaseModel):
    """The part of the policy that customers are told before they book."""

    intake: Intake
    hold_minutes: int
    cancellation: Cancellation


class BusinessOut(BaseModel):
    id: UUID
    slug: str
    name: str
    timezone: str
    currency: str
    locale: str
    status: BusinessStatus
    guest_bookings: bool
    """Whether people book without an account."""
    booking: BookingTerms

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of `businesses`, its policy as text."""
        policy = Policy.model_validate_json(row["policy"])
        terms = BookingTerms(
            intake=policy.intake, hold_minutes=policy.hold_minutes, cancellation=policy.cancellation
        )
        return cls(booking=terms, **{name: row[name] for name in cls.model_fields if name in _COLUMNS})


_COLUMNS: Final = ("id", "slug", "name", "timezone", "currency", "locale", "status", "guest_bookings")


class RoleOut(BaseModel):
    role: Role
    provider_id: UUID | None


class MyBusinessOut(BusinessOut):
    roles: list[RoleOut] = []


class MyBusinesses(BaseModel):
    items: list[MyBusinessOut]
