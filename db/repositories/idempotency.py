"""Answers that were given already, by the caller's key."""

from dataclasses import dataclass

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
