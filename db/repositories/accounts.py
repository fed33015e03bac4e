"""Requests for an account or a new password, and their tokens. They belong to no tenant."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none
from domain.accounts import AccountState, RequestKind

_ADD = text("""
INSERT INTO account_requests (id, kind, email, name, password_hash, expires_at)
VALUES (:id, :kind, :email, :name, :password_hash, :expires_at)
""")


async def add_request(
    conn: AsyncConnection,
    request_id: UUID,
    kind: RequestKind,
    email: str,
    *,
    expires_at: datetime,
    name: str | None = None,
    password_hash: str | None = None,
) -> None:
    """Store a request, whether or not the address has an account."""
    parameters = {
        "id": request_id,
        "kind": kind,
        "email": email,
        "name": name,
        "password_hash": password_hash,
        "expires_at": expires_at,
    }
    await execute(conn, _ADD, parameters)


@dataclass(frozen=True, slots=True)
class UnsentRequest:
    """A request whose message was not sent yet."""

    kind: RequestKind
    email: str = field(repr=False)
    account: AccountState
    """The account with this address."""


_UNSENT = text("""
SELECT r.kind, r.email,
       CASE WHEN u.id IS NULL THEN 'none' WHEN u.active THEN 'active' ELSE 'closed' END AS account
FROM account_requests r
LEFT JOIN users u ON lower(u.email) = lower(r.email)
WHERE r.id = :request_id AND r.sent_at IS NULL AND r.expires_at > statement_timestamp()
""")


async def find_unsent(conn: AsyncConnection, request_id: UUID) -> UnsentRequest | None:
    """The request; None if its message was sent or it has expired."""
    found = await row_or_none(conn, _UNSENT, {"request_id": request_id})
    if found is None:
        return None
    return UnsentRequest(RequestKind(found["kind"]), found["email"], AccountState(found["account"]))


_ADD_TOKEN = text("INSERT INTO account_tokens (token_hash, request_id) VALUES (:token_hash, :request_id)")


async def add_token(conn: AsyncConnection, request_id: UUID, token_hash: bytes) -> None:
    """Store a message's token before it is sent. Tokens of earlier attempts stay valid."""
    await execute(conn, _ADD_TOKEN, {"request_id": request_id, "token_hash": token_hash})


_MARK_SENT = text("UPDATE account_requests SET sent_at = statement_timestamp() WHERE id = :request_id")


async def mark_sent(conn: AsyncConnection, request_id: UUID) -> None:
    """Mark the request as processed."""
    await execute(conn, _MARK_SENT, {"request_id": request_id})


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request whose token was presented."""

    id: UUID
    email: str = field(repr=False)
    name: str | None = field(repr=False)
    password_hash: str | None = field(repr=False)


_OPEN = text("""
SELECT r.id, r.email, r.name, r.password_hash
FROM account_tokens t JOIN account_requests r ON r.id = t.request_id
WHERE t.token_hash = :token_hash AND r.kind = :kind
  AND r.done_at IS NULL AND r.expires_at > statement_timestamp()
""")


async def find_open(conn: AsyncConnection, kind: RequestKind, token_hash: bytes) -> OpenRequest | None:
    """The token's request; None if it was used or has expired."""
    found = await row_or_none(conn, _OPEN, {"kind": kind, "token_hash": token_hash})
    return None if found is None else OpenRequest(**found)


_FINISH = text("""
UPDATE account_requests SET done_at = statement_timestamp()
WHERE id = :request_id AND done_at IS NULL AND expires_at > statement_timestamp() RETURNING id
""")


async def finish(conn: AsyncConnection, request_id: UUID) -> bool:
    """Mark the request as used; False if it already was."""
    return await row_or_none(conn, _FINISH, {"request_id": request_id}) is not None


_WITHDRAW_RESETS = text("""
UPDATE account_requests SET done_at = statement_timestamp()
WHERE kind = 'reset' AND email = :email AND done_at IS NULL
""")


async def withdraw_resets(conn: AsyncConnection, email: str) -> None:
    """Invalidate all pending password resets of the address, after its password was changed."""
    await execute(conn, _WITHDRAW_RESETS, {"email": email.lower()})
