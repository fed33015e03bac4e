"""Services, and each one as it is offered: with what a new booking takes from its business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, Final, Self
from uuid import UUID

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import Service
from db.repositories.rows import Row, as_uuid, by_id_or_code, row, row_or_none, rows
from domain.effects import Vendor
from domain.errors import AlreadyExistsError
from domain.payments import Collect, PaymentMode
from domain.policies import Policy
from domain.promises import Promise
from domain.slots import BookingRules

_FIND: Final = """
SELECT id, code, name, description, duration_minutes, buffer_before_minutes, buffer_after_minutes, price_minor,
       currency, capacity, slot_step_minutes, min_notice_minutes, horizon_days, daily_limit, required_skills,
       payment_mode, payment_at, deposit_minor, active
FROM services
WHERE business_id = :business_id AND (id = CAST(:id AS uuid) OR code = CAST(:code AS text))
"""
_READ = text(_FIND)
# Not FOR UPDATE: new bookings refer to the row and need not wait for a change of it.
_LOCK = text(_FIND + "FOR NO KEY UPDATE")

_CREATE = text("""
INSERT INTO services (
    id, business_id, code, name, description, duration_minutes, buffer_before_minutes, buffer_after_minutes,
    price_minor, currency, capacity, slot_step_minutes, min_notice_minutes, horizon_days, daily_limit,
    required_skills, payment_mode, payment_at, deposit_minor, active
)
VALUES (
    :id, :business_id, :code, :name, :description, :duration_minutes, :buffer_before_minutes,
    :buffer_after_minutes, :price_minor, :currency, :capacity, :slot_step_minutes, :min_notice_minutes,
    :horizon_days, :daily_limit, :required_skills, :payment_mode, :payment_at, :deposit_minor, :active
)
ON CONFLICT (business_id, code) DO NOTHING
RETURNING *
""")

_UPDATE = text("""
UPDATE services SET code = :code, name = :name, description = :description, duration_minutes = :duration_minutes,
    buffer_before_minutes = :buffer_before_minutes, buffer_after_minutes = :buffer_after_minutes,
    price_minor = :price_minor, currency = :currency, capacity = :capacity,
    slot_step_minutes = :slot_step_minutes, min_notice_minutes = :min_notice_minutes,
    horizon_days = :horizon_days, daily_limit = :daily_limit, required_skills = :required_skills,
    payment_mode = :payment_mode, payment_at = :payment_at, deposit_minor = :deposit_minor, active = :active
WHERE business_id = :business_id AND id = :id
RETURNING *
""")


async def list_all(conn: AsyncConnection, business_id: UUID, *, inactive: bool = False) -> Sequence[Row]:
    """The active services by code; with `inactive` those that are no longer offered too."""
    query = select(Service.__table__).where(Service.business_id == business_id)
    if not inactive:
        query = query.where(Service.active)
    return await rows(conn, query.order_by(Service.code))


async def find(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """A service by its id or code, inactive ones included."""
    return await row_or_none(conn, _READ, by_id_or_code(business_id, id_or_code))


async def lock(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """The same, locked until the transaction ends."""
    return await row_or_none(conn, _LOCK, by_id_or_code(business_id, id_or_code))


async def create(
    conn: AsyncConnection, business_id: UUID, service_id: UUID, values: Mapping[str, Any]
) -> Row | None:
    """A new service; none when its code is taken, also by a concurrent one."""
    return await row_or_none(conn, _CREATE, {"id": service_id, "business_id": business_id, **values})


async def update(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row:
    """Write every column of a locked row; returns the row as it is now.

    Raises:
        AlreadyExistsError: another service of the business has the code. The transaction cannot go on.
    """
    try:
        return await row(conn, _UPDATE, {"business_id": business_id, **values})
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExistsError(f"There is a service '{values['code']}' already.") from error


@dataclass(frozen=True, slots=True)
class Offering:
    """A service of a business, with everything that a new booking takes from both."""

    business_id: UUID
    business_status: str
    timezone: str
    policy: Policy
    rules: BookingRules
    price_minor: int
    currency: str
    guest_bookings: bool
    """Whether guests, who have no account, may book."""
    customer_id: UUID | None
    """The business's customer behind the requesting user, if they have booked before."""
    payment_mode: PaymentMode = PaymentMode.NONE
    collect: Collect = Collect.BOOKING
    deposit_minor: int | None = None
    gateway: Vendor | None = None
    """The gateway for the payments of a service that asks for one; none: nobody takes them."""
    is_outdated: bool = False
    """Whether its price and payment are those that a hold promised, and the present ones differ."""

    def promise(self) -> Promise:
        """What it costs."""
        return Promise(
            price_minor=self.price_minor,
            currency=self.currency,
            payment_mode=self.payment_mode,
            collect=self.collect,
            deposit_minor=self.deposit_minor,
            cancellation=self.policy.cancellation,
        )

    def as_promised(self, promise: Promise) -> Self:
        """The same offering at the price, payment and cancellation terms of a promise."""
        return replace(
            self,
            is_outdated=promise != self.promise(),
            price_minor=promise.price_minor,
            currency=promise.currency,
            payment_mode=promise.payment_mode,
            collect=promise.collect,
            deposit_minor=promise.deposit_minor,
            policy=self.policy.model_copy(update={"cancellation": promise.cancellation}),
        )


_RULES = tuple(field.name for field in fields(BookingRules))
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
# Four statements instead of one with ORs, so that each is a pair of unique-index look-ups.
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
    """A business's policy, parsed once for each stored version."""
    return Policy.model_validate_json(stored)


async def find_offering(
    conn: AsyncConnection, business: str, service: str, *, user_id: UUID | None = None
) -> Offering | None:
    """An active service with its business, each by id or by slug and code; `user_id` sets `customer_id`."""
    business_key, service_key = as_uuid(business), as_uuid(service)
    statement = OFFERINGS[business_key is not None, service_key is not None]
    parameters: dict[str, Any] = {
        "business": business_key or business,
        "service": service_key or service,
        "user_id": user_id,
    }
    found = await row_or_none(conn, statement, parameters)
    return None if found is None else _offering(found)


def _offering(row: Row) -> Offering:
    return Offering(
        business_id=row["business_id"],
        business_status=row["business_status"],
        timezone=row["timezone"],
        policy=_policy(row["policy"]),
        rules=BookingRules(
            **{name: row[name] for name in _RULES} | {"required_skills": tuple(row["required_skills"])}
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
