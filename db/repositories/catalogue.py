"""Businesses, services and providers, as the API shows them and as a new booking needs them."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Text, cast, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import Business, Provider, Service
from db.repositories.rows import Row, row_or_none, rows
from domain.effects import Vendor
from domain.payments import Collect, PaymentMode
from domain.policies import Policy
from domain.promises import Promise
from domain.search import BookingRules

_BUSINESS = select(
    Business.id,
    Business.slug,
    Business.name,
    Business.timezone,
    Business.currency,
    Business.locale,
    Business.status,
    Business.guest_bookings,
    cast(Business.policy, Text).label("policy"),
)


async def find_business(conn: AsyncConnection, id_or_slug: str) -> Row | None:
    """A business by its id or its slug; the policy as JSON text."""
    by = Business.id == key if (key := as_uuid(id_or_slug)) else Business.slug == id_or_slug
    return await row_or_none(conn, _BUSINESS.where(by))


async def list_services(conn: AsyncConnection, business_id: UUID, *, inactive: bool = False) -> Sequence[Row]:
    """The active services, by code; on demand those that are no longer offered too."""
    query = select(Service.__table__).where(Service.business_id == business_id)
    if not inactive:
        query = query.where(Service.active)
    return await rows(conn, query.order_by(Service.code))


async def list_providers(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All providers, the best rated first; without their contact data."""
    query = select(
        Provider.id,
        Provider.code,
        Provider.name,
        Provider.skills,
        Provider.rating,
        Provider.available,
        Provider.timezone,
    )
    query = query.where(Provider.business_id == business_id).order_by(Provider.rating.desc(), Provider.id)
    return await rows(conn, query)


@dataclass(frozen=True, slots=True)
class Offering:
    """A service of a business with all that a new booking takes from both."""

    business_id: UUID
    business_status: str
    timezone: str
    policy: Policy
    terms: BookingRules
    price_minor: int
    currency: str
    guest_bookings: bool
    """Whether whoever has no account may book."""
    customer_id: UUID | None
    """The customer that the asking user is with the business, if they have booked before."""
    payment_mode: PaymentMode = PaymentMode.NONE
    collect: Collect = Collect.BOOKING
    deposit_minor: int | None = None
    gateway: Vendor | None = None
    """Who takes the payments of a service that asks for one; none: nobody."""

    def promise(self) -> Promise:
        """What it costs now."""
        return Promise(
            price_minor=self.price_minor,
            currency=self.currency,
            payment_mode=self.payment_mode,
            collect=self.collect,
            deposit_minor=self.deposit_minor,
            cancellation=self.policy.cancellation,
        )

    def as_promised(self, promise: Promise) -> Self:
        """The same at what it cost when that was promised."""
        return replace(
            self,
            price_minor=promise.price_minor,
            currency=promise.currency,
            payment_mode=promise.payment_mode,
            collect=promise.collect,
            deposit_minor=promise.deposit_minor,
            policy=self.policy.model_copy(update={"cancellation": promise.cancellation}),
        )


_OFFERING = """
SELECT b.id AS business_id, b.status AS business_status, b.timezone, b.guest_bookings,
       CAST(b.policy AS text) AS policy, s.price_minor, s.currency, c.id AS customer_id,
       s.id AS service_id, s.duration_minutes, s.buffer_before_minutes, s.buffer_after_minutes,
       s.slot_step_minutes, s.min_notice_minutes, s.horizon_days, s.capacity, s.daily_limit, s.required_skills,
       s.payment_mode, s.payment_at, s.deposit_minor, g.vendor AS gateway
FROM businesses b
JOIN services s ON s.business_id = b.id
LEFT JOIN customers c ON c.business_id = b.id AND c.user_id = :user_id
LEFT JOIN integrations g
    ON s.payment_mode <> 'none' AND g.business_id = b.id AND g.port = 'payments' AND g.enabled
WHERE {business} AND {service} AND s.active
"""
# Four statements rather than one with ORs, so that each is a pair of unique-index look-ups.
OFFERINGS = {
    (by_id, by_service_id): text(
        _OFFERING.format(
            business="b.id = :business" if by_id else "b.slug = :business",
            service="s.id = :service" if by_service_id else "s.code = :service",
        )
    )
    for by_id in (True, False)
    for by_service_id in (True, False)
}


@lru_cache(maxsize=1024)
def _policy(stored: str) -> Policy:
    """A business's policy, read once for each of its versions."""
    return Policy.model_validate_json(stored)


async def find_offering(
    conn: AsyncConnection, business: str, service: str, *, user_id: UUID | None = None
) -> Offering | None:
    """An active service with its business, each by id or by slug and code, as one user meets them."""
    business_key, service_key = as_uuid(business), as_uuid(service)
    statement = OFFERINGS[business_key is not None, service_key is not None]
    parameters: dict[str, Any] = {
        "business": business_key or business,
        "service": service_key or service,
        "user_id": user_id,
    }
    row = await row_or_none(conn, statement, parameters)
    if row is None:
        return None
    return Offering(
        business_id=row["business_id"],
        business_status=row["business_status"],
        timezone=row["timezone"],
        policy=_policy(row["policy"]),
        terms=BookingRules(
            **{name: row[name] for name in _TERMS} | {"required_skills": tuple(row["required_skills"])}
        ),
        price_minor=row["price_minor"],
        currency=row["currency"],
        guest_bookings=row["guest_bookings"],
        customer_id=row["customer_id"],
        payment_mode=PaymentMode(row["payment_mode"]),
        collect=Collect(row["payment_at"]),
        deposit_minor=row["deposit_minor"],
        gateway=Vendor(row["gateway"]) if row["gateway"] else None,
    )


_TERMS = tuple(field.name for field in fields(BookingRules))


def as_uuid(value: str) -> UUID | None:
    """The value as a UUID where it is one in its usual spelling."""
    if len(value) != 36:  # noqa: PLR2004 - the canonical form; a slug may look like the bare hex digits
        return None
    try:
        return UUID(value)
    except ValueError:
        return None
