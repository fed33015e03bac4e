"""Users. They belong to no tenant; their memberships do."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import row_or_none
from runtime.ids import new_id


@dataclass(frozen=True, slots=True)
class Credentials:
    user_id: UUID
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    user_id: UUID
    email: str = field(repr=False)
    name: str = field(repr=False)
    password_hash: str = field(repr=False)


_CREDENTIALS = text("SELECT id AS user_id, password_hash FROM users WHERE lower(email) = lower(:email) AND active")
_PROFILE = text("SELECT id AS user_id, email, name, password_hash FROM users WHERE id = :user_id AND active")


async def find_credentials(conn: AsyncConnection, email: str) -> Credentials | None:
    """An active user's password hash."""
    row = await row_or_none(conn, _CREDENTIALS, {"email": email})
    return None if row is None else Credentials(**row)


async def find_profile(conn: AsyncConnection, user_id: UUID) -> Profile | None:
    """An active user."""
    row = await row_or_none(conn, _PROFILE, {"user_id": user_id})
    return None if row is None else Profile(**row)


_CREATE = text("""
INSERT INTO users (id, email, name, password_hash) VALUES (:id, :email, :name, :password_hash)
ON CONFLICT (lower(email)) DO NOTHING RETURNING id
""")


async def create(conn: AsyncConnection, *, email: str, name: str, password_hash: str) -> UUID | None:
    """Create a user whose address is verified; None if it already has an account."""
    parameters = {"id": new_id(), "email": email, "name": name, "password_hash": password_hash}
    made = await row_or_none(conn, _CREATE, parameters)
    return None if made is None else made["id"]


_REPLACE_PASSWORD = text("""
UPDATE users SET password_hash = :password_hash
WHERE id = :user_id AND active AND password_hash = :known_hash RETURNING id
""")


async def replace_password(conn: AsyncConnection, user_id: UUID, *, known_hash: str, password_hash: str) -> bool:
    """Replace the known password hash; False if it has changed since."""
    parameters = {"user_id": user_id, "known_hash": known_hash, "password_hash": password_hash}
    return await row_or_none(conn, _REPLACE_PASSWORD, parameters) is not None


_RESET_PASSWORD = text("""
UPDATE users SET password_hash = :password_hash WHERE lower(email) = lower(:email) AND active RETURNING id
""")


async def reset_password(conn: AsyncConnection, email: str, *, password_hash: str) -> UUID | None:
    """Replace the password hash; returns the user's id, or None if the address has no account."""
    found = await row_or_none(conn, _RESET_PASSWORD, {"email": email, "password_hash": password_hash})
    return None if found is None else found["id"]
