"""Members of a business: owners and admins. A provider's role is managed with the provider."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.lifecycle import Role

_LIST = text("""
SELECT m.user_id, u.name, m.role, m.provider_id, m.created_at
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.business_id = :business_id
ORDER BY m.role, u.name, m.user_id
""")

_FIND = text("""
SELECT m.user_id, u.name, m.role, m.provider_id, m.created_at
FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.business_id = :business_id AND m.user_id = :user_id AND m.role = :role
""")

_ADD = text("""
INSERT INTO memberships (user_id, business_id, role)
SELECT id, :business_id, CAST(:role AS text) FROM users WHERE id = :user_id AND active
ON CONFLICT (user_id, business_id, role) DO NOTHING
""")

_REMOVE = text("DELETE FROM memberships WHERE business_id = :business_id AND user_id = :user_id AND role = :role")

# Does not block new bookings, which reference the row.
_LOCK = text("SELECT id FROM businesses WHERE id = :business_id FOR NO KEY UPDATE")

_OWNERS = text("""
SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
WHERE m.business_id = :business_id AND m.role = 'owner' AND u.active
""")


async def list_all(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All roles in the business, with their users' names."""
    return await rows(conn, _LIST, {"business_id": business_id})


async def find(conn: AsyncConnection, business_id: UUID, user_id: UUID, role: Role) -> Row | None:
    """This role of this user."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "user_id": user_id, "role": role})


async def add(conn: AsyncConnection, business_id: UUID, user_id: UUID, role: Role) -> Row | None:
    """Give the role, if they do not have it; None if there is no such user or their account is closed."""
    await execute(conn, _ADD, {"business_id": business_id, "user_id": user_id, "role": role})
    return await find(conn, business_id, user_id, role)


async def remove(conn: AsyncConnection, business_id: UUID, user_id: UUID, role: Role) -> None:
    """Remove the role, if they have it."""
    await execute(conn, _REMOVE, {"business_id": business_id, "user_id": user_id, "role": role})


async def lock_owners(conn: AsyncConnection, business_id: UUID) -> set[UUID]:
    """The owners who can log in. Nobody else changes owners until this transaction ends."""
    await row(conn, _LOCK, {"business_id": business_id})
    return {UUID(str(owner["user_id"])) for owner in await rows(conn, _OWNERS, {"business_id": business_id})}
