"""Logins: sessions, and the refresh tokens by which they go on. They belong to users, and users to no tenant."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import rows
from domain.access import Membership, Principal
from runtime.ids import new_id

_PRINCIPAL = text("""
SELECT m.business_id, m.role, m.provider_id
FROM sessions s
JOIN users u ON u.id = s.user_id AND u.active
LEFT JOIN memberships m ON m.user_id = u.id
WHERE s.id = :session_id AND s.user_id = :user_id AND s.ended_at IS NULL
""")


async def find_principal(conn: AsyncConnection, session_id: UUID, user_id: UUID) -> Principal | None:
    """The user with the roles that they have now; none when the session has ended or the account is closed."""
    found = await rows(conn, _PRINCIPAL, {"session_id": session_id, "user_id": user_id})
    if not found:
        return None
    memberships = tuple(Membership(**row) for row in found if row["business_id"] is not None)
    return Principal(user_id=user_id, memberships=memberships, session_id=session_id)


_BEGIN = text("INSERT INTO sessions (id, user_id, expires_at) VALUES (:id, :user_id, :expires_at)")


async def begin(conn: AsyncConnection, user_id: UUID, expires_at: datetime) -> UUID:
    """Begin a session of a user; its id."""
    session_id = new_id()
    await rows(conn, _BEGIN, {"id": session_id, "user_id": user_id, "expires_at": expires_at})
    return session_id
