"""Providers, and the users who act as them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import Provider
from db.repositories.rows import Row, by_id_or_code, execute, row, row_or_none, rows
from domain.assignment import Candidate
from domain.errors import AlreadyExistsError

# Where several users act as the provider, the first one is named.
_FIND: Final = """
SELECT p.id, p.code, p.name, p.email, p.phone, p.timezone, p.skills, p.rating, p.available, p.auto_accept,
       p.last_assigned_at,
       (SELECT m.user_id FROM memberships m WHERE m.business_id = p.business_id AND m.provider_id = p.id
        ORDER BY m.created_at, m.user_id LIMIT 1) AS user_id
FROM providers p
WHERE p.business_id = :business_id AND (p.id = CAST(:id AS uuid) OR p.code = CAST(:code AS text))
"""
_READ = text(_FIND)
# Not FOR UPDATE: new bookings refer to the row and need not wait for a change of it.
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

# Not `last_assigned_at`: concurrent assignments write it.
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


async def list_all(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All providers without contact data, the best rated first."""
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


async def find(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """A provider by id or code, with contact data and `user_id`."""
    return await row_or_none(conn, _READ, by_id_or_code(business_id, id_or_code))


async def lock(conn: AsyncConnection, business_id: UUID, id_or_code: str) -> Row | None:
    """The same, locked until the transaction ends."""
    return await row_or_none(conn, _LOCK, by_id_or_code(business_id, id_or_code))


async def create(conn: AsyncConnection, business_id: UUID, provider_id: UUID, values: Mapping[str, Any]) -> bool:
    """Add a provider; false when the code is taken, also by a concurrent one."""
    parameters = {"id": provider_id, "business_id": business_id, **values}
    return await row_or_none(conn, _CREATE, parameters) is not None


async def update(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> None:
    """Write the columns of a locked row.

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
    """Stop all users but one from acting as this provider."""
    parameters = {"business_id": business_id, "provider_id": provider_id, "user_id": but}
    await execute(conn, _UNLINK_OTHERS, parameters)


async def link_user(conn: AsyncConnection, business_id: UUID, provider_id: UUID, user_id: UUID) -> UUID | None:
    """Let a user act as this provider; returns the provider that they now act as.

    That is another provider if they acted as one before. None: there is no such user, or their account is closed.
    """
    parameters = {"business_id": business_id, "provider_id": provider_id, "user_id": user_id}
    await execute(conn, _LINK, parameters)
    linked = await row_or_none(conn, _LINKED, parameters)
    return UUID(str(linked["provider_id"])) if linked else None


_CANDIDATE = text("""
SELECT id AS provider_id, rating::float8 AS rating, auto_accept FROM providers
WHERE business_id = :business_id AND id = :provider_id AND skills @> CAST(:required_skills AS varchar[])
""")


async def find_candidate(
    conn: AsyncConnection, business_id: UUID, provider_id: UUID | None, required_skills: Iterable[str]
) -> Candidate | None:
    """A provider of this business with these skills, whether they are free or not."""
    parameters = {
        "business_id": business_id,
        "provider_id": provider_id,
        "required_skills": list(required_skills),
    }
    found = await row_or_none(conn, _CANDIDATE, parameters)
    return None if found is None else Candidate(**found)


# The moment of the assignment, not of the request: requests are not assigned in the order in which they arrive.
_MARK_ASSIGNED = text("""
UPDATE providers SET last_assigned_at = clock_timestamp() WHERE business_id = :business_id AND id = :provider_id
""")


async def mark_assigned(conn: AsyncConnection, business_id: UUID, provider_id: UUID) -> None:
    """Note that this provider was assigned last."""
    await execute(conn, _MARK_ASSIGNED, {"business_id": business_id, "provider_id": provider_id})
