"""Businesses."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import Text, cast, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import Business
from db.repositories.rows import Row, as_uuid, execute, row, row_or_none, rows
from domain.errors import AlreadyExistsError

_FIND = select(
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

_CREATE = text("""
INSERT INTO businesses (id, slug, name, timezone, currency, locale, status, guest_bookings, policy)
VALUES (:id, :slug, :name, :timezone, :currency, :locale, 'setup', :guest_bookings, CAST(:policy AS jsonb))
ON CONFLICT (slug) DO NOTHING
RETURNING id, slug, name, timezone, currency, locale, status, guest_bookings, CAST(policy AS text) AS policy
""")

# Not FOR UPDATE: new bookings refer to the row and need not wait for a change of it.
_LOCK = text("""
SELECT id, slug, name, timezone, currency, locale, status, guest_bookings, CAST(policy AS text) AS policy
FROM businesses WHERE id = :business_id FOR NO KEY UPDATE
""")

_UPDATE = text("""
UPDATE businesses SET slug = :slug, name = :name, timezone = :timezone, currency = :currency, locale = :locale,
    status = :status, guest_bookings = :guest_bookings, policy = CAST(:policy AS jsonb), updated_at = now()
WHERE id = :business_id
RETURNING id, slug, name, timezone, currency, locale, status, guest_bookings, CAST(policy AS text) AS policy
""")

_OF_USER = text("""
SELECT b.id, b.slug, b.name, b.timezone, b.currency, b.locale, b.status, b.guest_bookings,
       CAST(b.policy AS text) AS policy, m.role, m.provider_id
FROM memberships m JOIN businesses b ON b.id = m.business_id
WHERE m.user_id = :user_id
ORDER BY b.name, b.id, m.role
""")

_SET_APPROVED = text("""
UPDATE businesses SET approved_at = CASE WHEN :is_approved THEN coalesce(approved_at, statement_timestamp()) END
WHERE id = :business_id
""")

_LIST = text("""
SELECT id, slug, approved_at FROM businesses WHERE approved_at IS NULL OR NOT :only_waiting ORDER BY created_at, id
""")

# Hours may also be single dates, or come from an outside calendar.
_READY = text("""
SELECT EXISTS (SELECT FROM services WHERE business_id = :business_id AND active) AS services,
       EXISTS (SELECT FROM providers WHERE business_id = :business_id AND available) AS providers,
       EXISTS (SELECT FROM weekly_hours WHERE business_id = :business_id)
       OR EXISTS (SELECT FROM date_exceptions WHERE business_id = :business_id AND kind <> 'closed')
       OR EXISTS (SELECT FROM external_times WHERE business_id = :business_id AND kind = 'open') AS hours
""")


async def find(conn: AsyncConnection, id_or_slug: str) -> Row | None:
    """A business by its id or its slug; the policy as JSON text."""
    by = Business.id == key if (key := as_uuid(id_or_slug)) else Business.slug == id_or_slug
    return await row_or_none(conn, _FIND.where(by))


async def create(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row | None:
    """A new business in `setup`, policy as JSON text; none when its slug is taken, also by a concurrent one."""
    return await row_or_none(conn, _CREATE, {"id": business_id, **values})


async def lock(conn: AsyncConnection, business_id: UUID) -> Row:
    """The business, locked until the transaction ends; the policy as JSON text.

    Changes of whatever a business has as a set (hours, areas, integrations …) take this lock too, so that of two
    concurrent replacements one set is left, never a mixture.
    """
    return await row(conn, _LOCK, {"business_id": business_id})


async def update(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row:
    """Write every column of a row that was locked before; gives the row as it is now.

    Raises:
        AlreadyExistsError: another business has the slug. The transaction cannot go on.
    """
    try:
        return await row(conn, _UPDATE, {"business_id": business_id, **values})
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExistsError(f"There is a business '{values['slug']}' already.") from error


async def list_missing(conn: AsyncConnection, business_id: UUID) -> list[str]:
    """What the business needs before it can be booked: `services`, `providers`, `hours`."""
    has = await row(conn, _READY, {"business_id": business_id})
    return [name for name in ("services", "providers", "hours") if not has[name]]


async def set_approved(conn: AsyncConnection, business_id: UUID, *, is_approved: bool) -> None:
    """Allow or forbid its own texts over the installation's mail server; keeps the time of the first approval."""
    await execute(conn, _SET_APPROVED, {"business_id": business_id, "is_approved": is_approved})


async def list_for_operators(conn: AsyncConnection, *, only_waiting: bool) -> Sequence[Row]:
    """All businesses with the time of their approval, the oldest first; or only those that wait for it."""
    return await rows(conn, _LIST, {"only_waiting": only_waiting})


async def list_of_user(conn: AsyncConnection, user_id: UUID) -> Sequence[Row]:
    """The businesses in which a user has roles, by name: a row for each role."""
    return await rows(conn, _OF_USER, {"user_id": user_id})
