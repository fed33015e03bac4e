"""Businesses as their owners found and change them. What anybody may read is in `catalogue`."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.errors import AlreadyExistsError

_CREATE = text("""
INSERT INTO businesses (id, slug, name, timezone, currency, locale, status, guest_bookings, policy)
VALUES (:id, :slug, :name, :timezone, :currency, :locale, 'setup', :guest_bookings, CAST(:policy AS jsonb))
ON CONFLICT (slug) DO NOTHING
RETURNING id, slug, name, timezone, currency, locale, status, guest_bookings, CAST(policy AS text) AS policy
""")

# Not FOR UPDATE: new bookings refer to the row, and need not wait for whoever changes it.
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

# Hours may also come as single dates, or from an outside calendar.
_READY = text("""
SELECT EXISTS (SELECT FROM services WHERE business_id = :business_id AND active) AS services,
       EXISTS (SELECT FROM providers WHERE business_id = :business_id AND available) AS providers,
       EXISTS (SELECT FROM weekly_hours WHERE business_id = :business_id)
       OR EXISTS (SELECT FROM date_exceptions WHERE business_id = :business_id AND kind <> 'closed')
       OR EXISTS (SELECT FROM external_times WHERE business_id = :business_id AND kind = 'open') AS hours
""")


async def create(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row | None:
    """A new business in `setup`, policy as JSON text; none when its slug is taken, also by one just now."""
    return await row_or_none(conn, _CREATE, {"id": business_id, **values})


async def lock(conn: AsyncConnection, business_id: UUID) -> Row:
    """The business, not to be changed by others until this transaction ends; the policy as JSON text."""
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
    """What the business lacks to be booked: `services`, `providers`, `hours`."""
    has = await row(conn, _READY, {"business_id": business_id})
    return [name for name in ("services", "providers", "hours") if not has[name]]


async def set_approved(conn: AsyncConnection, business_id: UUID, *, is_approved: bool) -> None:
    """Let it send its own words by the installation's mail server, or no more; the first approval's time stays."""
    await execute(conn, _SET_APPROVED, {"business_id": business_id, "is_approved": is_approved})


async def list_for_operators(conn: AsyncConnection, *, only_waiting: bool) -> Sequence[Row]:
    """All businesses with when they were approved, the oldest first; or those that wait for it."""
    return await rows(conn, _LIST, {"only_waiting": only_waiting})


async def list_of_user(conn: AsyncConnection, user_id: UUID) -> Sequence[Row]:
    """The businesses in which a user has roles, by name: a row for each role."""
    return await rows(conn, _OF_USER, {"user_id": user_id})
