"""Users and their roles. Users belong to no tenant; their memberships do."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import row_or_none, rows


@dataclass(frozen=True, slots=True)
class Credentials:
    user_id: UUID
    password_hash: str


@dataclass(frozen=True, slots=True)
class MembershipRow:
    business_id: UUID
    role: str
    provider_id: UUID | None


_CREDENTIALS = text("SELECT id AS user_id, password_hash FROM users WHERE lower(email) = lower(:email) AND active")
_MEMBERSHIPS = text(
    "SELECT business_id, role, provider_id FROM memberships WHERE user_id = :user_id ORDER BY business_id, role"
)


async def find_credentials(conn: AsyncConnection, email: str) -> Credentials | None:
    """The stored hash of an active user."""
    row = await row_or_none(conn, _CREDENTIALS, {"email": email})
    return None if row is None else Credentials(**row)


async def list_memberships(conn: AsyncConnection, user_id: UUID) -> list[MembershipRow]:
    """The roles of a user, over all businesses."""
    return [MembershipRow(**row) for row in await rows(conn, _MEMBERSHIPS, {"user_id": user_id})]
