"""Providers with their contact data, and the users who act as them."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.catalogue import as_uuid
from db.repositories.rows import Row, execute, row, row_or_none
from domain.errors import AlreadyExistsError

# One user is named where several act as the provider: whoever did so first.
_FIND: Final = """
SELECT p.id, p.code, p.name, p.email, p.phone, p.timezone, p.skills, p.rating, p.available, p.auto_accept,
       p.last_assigned_at,
       (SELECT m.user_id FROM memberships m WHERE m.business_id = p.business_id AND m.provider_id = p.id
        ORDER BY m.created_at, m.user_id LIMIT 1) AS user_id
FROM providers p
WHERE p.business_id = :business_id AND (p.id = CAST(:id AS uuid) OR p.code = CAST(:code AS text))
"""
_READ = text(_FIND)
# Not FOR UPDATE: new bookings refer to the row, and need not wait for whoever changes it.
_LOCK = text(_FIND + "FOR NO KEY UPDATE OF p")

_CREATE = text("""
INSERT INTO providers (
    id, business_id, code, name, email, phone, timezone, skills, rating, available, auto_accept
)
VALUES (
    :id, :business_id, :code, :name, :email, :phone, :timezone, :skills, :rating, :available, :auto_accept
)
ON CONFLICT (business_id, code) DO NOTHING
RETURNING id
""")

# Whose turn it was last is not theirs to write: assignments do, meanwhile.
_UPDATE = text("""
UPDATE providers SET code = :code, name = :name, email = :email, phone = :phone, timezone = :timezone,
    skills = :skills, rating = :rating, available = :available, auto_accept = :auto_accept
WHERE business_id = :business_id AND id = :id
RETURNING id
""")

_UNLINK_OTHERS = text("""
DELETE FROM memberships
WHERE business_id = :business_id AND provider_id = :provider_id AND role = 'provider'
  AND user_id IS DISTINCT FROM CAST(:user_id AS uuid)
""")

_LINK = text("""
INSERT INTO memberships (user_id, business_id, role, provider_id)
SELECT id, :business_id, 'provider', :provider_id FROM users WHERE id = :user_id AND active
ON CONFLICT (user_id, business_id, role) DO NOTHING
""")

_LINKED = text("""
SELECT provider_id FROM memberships
WHERE business_id = :business_id AND user_id = :user_id AND role = 'provider'
""")


async def find(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """A provider by id or code, with contact data and `user_id`."""
    return await row_or_none(conn, _READ, _named(business_id, id_or_code))


async def lock(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """The same, not to be changed by others until this transaction ends."""
    return await row_or_none(conn, _LOCK, _named(business_id, id_or_code))


async def create(conn: AsyncConnection, business_id: UUID, provider_id: UUID, values: Mapping[str, Any]) -> bool:
    """Add a provider; false when the code is taken, also by one who was added just now."""
    parameters = {"id": provider_id, "business_id": business_id, **values}
    return await row_or_none(conn, _CREATE, parameters) is not None


async def update(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> None:
    """Write the columns of a row that was locked before.

    Raises:
        AlreadyExistsError: another provider of the business has the code. The transaction cannot go on.
    """
    try:
        await row(conn, _UPDATE, {"business_id": business_id, **values})
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExistsError(f"There is a provider '{values['code']}' already.") from error


async def unlink_users(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID, *, but: UUID | None = None
) -> None:
    """Let nobody act as this provider any more, except for one user."""
    parameters = {"business_id": business_id, "provider_id": provider_id, "user_id": but}
    await execute(conn, _UNLINK_OTHERS, parameters)


async def link_user(conn: AsyncConnection, business_id: UUID, provider_id: UUID, user_id: UUID) -> UUID | None:
    """Let a user act as this provider; gives the provider that they now act as.

    That is another one where they were another before. None: there is no such user, or their account is closed.
    """
    parameters = {"business_id": business_id, "provider_id": provider_id, "user_id": user_id}
    await execute(conn, _LINK, parameters)
    linked = await row_or_none(conn, _LINKED, parameters)
    return UUID(str(linked["provider_id"])) if linked else None


def _named(business_id: UUID, id_or_code: str) -> dict[str, Any]:
    key = as_uuid(id_or_code)
    return {"business_id": business_id, "id": key, "code": None if key else id_or_code}
