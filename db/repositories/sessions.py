"""Login sessions and their refresh tokens. They belong to users, who belong to no tenant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none, rows
from domain.accounts import SessionEndReason
from domain.callers import Membership, Principal
from runtime.ids import new_id

_PRINCIPAL = text("""
SELECT m.business_id, m.role, m.provider_id
FROM sessions s
JOIN users u ON u.id = s.user_id AND u.active
LEFT JOIN memberships m ON m.user_id = u.id
WHERE s.id = :session_id AND s.user_id = :user_id
  AND s.ended_at IS NULL AND s.expires_at > statement_timestamp()
""")


async def find_principal(conn: AsyncConnection, session_id: UUID, user_id: UUID) -> Principal | None:
    """The user with their current roles; None if the session has ended or the account is closed."""
    found = await rows(conn, _PRINCIPAL, {"session_id": session_id, "user_id": user_id})
    if not found:
        return None
    memberships = tuple(Membership(**row) for row in found if row["business_id"] is not None)
    return Principal(user_id=user_id, memberships=memberships, session_id=session_id)


# The lock serialises this with a password change: no session begins with a former password.
_BEGIN = text("""
WITH who AS (
    SELECT id FROM users WHERE id = :user_id AND active AND password_hash = :password_hash FOR SHARE
), begun AS (
    INSERT INTO sessions (id, user_id, expires_at) SELECT :id, id, :expires_at FROM who RETURNING id
)
INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
SELECT :token_hash, id, :expires_at FROM begun RETURNING session_id
""")


async def begin(
    conn: AsyncConnection, user_id: UUID, *, password_hash: str, token_hash: bytes, expires_at: datetime
) -> UUID | None:
    """Start a session with its first refresh token; returns its id.

    None: the account was closed, or its password changed, since `password_hash` was read.
    """
    parameters = {
        "id": new_id(),
        "user_id": user_id,
        "password_hash": password_hash,
        "token_hash": token_hash,
        "expires_at": expires_at,
    }
    begun = await row_or_none(conn, _BEGIN, parameters)
    return None if begun is None else begun["session_id"]


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A presented refresh token of an open session."""

    session_id: UUID
    user_id: UUID
    is_reused: bool
    """It was used longer ago than the grace period, or another token of the session was used after it."""


_PRESENT = text("""
SELECT s.id AS session_id, s.user_id,
       t.superseded_at IS NOT NULL
           OR coalesce(t.used_at < statement_timestamp() - CAST(:grace AS interval), false) AS is_reused
FROM refresh_tokens t
JOIN sessions s ON s.id = t.session_id AND s.ended_at IS NULL
JOIN users u ON u.id = s.user_id AND u.active
WHERE t.token_hash = :token_hash AND t.expires_at > statement_timestamp()
FOR NO KEY UPDATE OF t, s
""")


async def present(conn: AsyncConnection, token_hash: bytes, *, grace: timedelta) -> PresentedToken | None:
    """Find a refresh token. Until the transaction ends, nobody else uses it or ends its session."""
    found = await row_or_none(conn, _PRESENT, {"token_hash": token_hash, "grace": grace})
    return None if found is None else PresentedToken(**found)


# The grace period is for a lost answer, and lasts until one of this token's successors is used. Then this token
# and its other successors are superseded, without a grace period: otherwise a quick thief could continue beside
# the owner for ever.
_ROTATE = text("""
WITH superseded AS (
    UPDATE refresh_tokens
    SET superseded_at = statement_timestamp(), used_at = coalesce(used_at, statement_timestamp())
    WHERE session_id = :session_id AND token_hash <> :token_hash AND superseded_at IS NULL
      AND (SELECT used_at IS NULL FROM refresh_tokens WHERE token_hash = :token_hash)
), used AS (
    UPDATE refresh_tokens SET used_at = statement_timestamp()
    WHERE token_hash = :token_hash AND used_at IS NULL
), extended AS (
    UPDATE sessions SET expires_at = greatest(expires_at, :expires_at) WHERE id = :session_id
)
INSERT INTO refresh_tokens (token_hash, session_id, expires_at)
VALUES (:next_hash, :session_id, :expires_at)
""")


async def rotate(
    conn: AsyncConnection, session_id: UUID, token_hash: bytes, *, next_hash: bytes, expires_at: datetime
) -> None:
    """Add the successor of a presented refresh token, and extend the session to its expiry."""
    parameters = {
        "session_id": session_id,
        "token_hash": token_hash,
        "next_hash": next_hash,
        "expires_at": expires_at,
    }
    await execute(conn, _ROTATE, parameters)


_END = text("""
UPDATE sessions SET ended_at = statement_timestamp(), end_reason = :reason
WHERE id = :session_id AND ended_at IS NULL
""")


async def end(conn: AsyncConnection, session_id: UUID, reason: SessionEndReason) -> None:
    """End a session and invalidate all its tokens. An ended session keeps its first reason."""
    await execute(conn, _END, {"session_id": session_id, "reason": reason})


_END_ALL = text("""
UPDATE sessions SET ended_at = statement_timestamp(), end_reason = :reason
WHERE user_id = :user_id AND ended_at IS NULL AND id IS DISTINCT FROM CAST(:but AS uuid)
""")


async def end_all(
    conn: AsyncConnection, user_id: UUID, reason: SessionEndReason, *, but: UUID | None = None
) -> None:
    """End all sessions of a user, except `but`."""
    await execute(conn, _END_ALL, {"user_id": user_id, "reason": reason, "but": but})
