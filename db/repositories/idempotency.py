"""Answers that were given already, by the caller's key."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import row_or_none

_FIND = text("SELECT request_hash, response FROM idempotency_keys WHERE scope = :scope AND key = :key")


@dataclass(frozen=True, slots=True)
class Answer:
    request_hash: str
    response: str


async def find(conn: AsyncConnection, scope: str, key: str) -> Answer | None:
    """The first answer under this key. The scope names the caller, so no tenant is needed beside it."""
    row = await row_or_none(conn, _FIND, {"scope": scope, "key": key})
    return None if row is None else Answer(**row)


_STORE = text("""
INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response)
VALUES (:scope, :key, :business_id, :request_hash, :response)
ON CONFLICT DO NOTHING RETURNING 1
""")


async def store(
    conn: AsyncConnection, business_id: UUID, scope: str, key: str, *, request_hash: str, response: str
) -> bool:
    """Remember an answer in the transaction of what it tells; False when the key has one already."""
    parameters = {
        "scope": scope,
        "key": key,
        "business_id": business_id,
        "request_hash": request_hash,
        "response": response,
    }
    return await row_or_none(conn, _STORE, parameters) is not None
