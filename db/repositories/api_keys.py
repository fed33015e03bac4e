"""API keys. Whoever presents one is found by its prefix; the rest is compared by hash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row, row_or_none, rows

REVOKED_SHOWN: Final = 100

_FIND = text("""
SELECT id, business_id, secret_hash, scopes,
       revoked_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp()) AS is_live,
       last_used_at IS NULL OR last_used_at < statement_timestamp() - interval '1 minute' AS is_use_news
FROM api_keys WHERE prefix = :prefix
""")


@dataclass(frozen=True, slots=True)
class StoredKey:
    id: UUID
    business_id: UUID
    secret_hash: bytes
    scopes: list[str]
    is_live: bool
    """Neither revoked nor expired."""
    is_use_news: bool
    """Its last use was noted a minute ago or more."""


async def find_by_prefix(conn: AsyncConnection, prefix: str) -> StoredKey | None:
    """The key that begins so."""
    found = await row_or_none(conn, _FIND, {"prefix": prefix})
    return None if found is None else StoredKey(**found)


_NOTE_USE = text("""
UPDATE api_keys SET last_used_at = statement_timestamp() WHERE business_id = :business_id AND id = :id
""")


async def note_use(conn: AsyncConnection, business_id: UUID, key_id: UUID) -> None:
    """Note that the key was used just now."""
    await execute(conn, _NOTE_USE, {"business_id": business_id, "id": key_id})


# New bookings, which refer to the row, do not wait for this lock.
_LOCK = text("SELECT id FROM businesses WHERE id = :business_id FOR NO KEY UPDATE")
_COUNT = text("SELECT count(*) AS n FROM api_keys WHERE business_id = :business_id AND revoked_at IS NULL")


async def lock_and_count(conn: AsyncConnection, business_id: UUID) -> int:
    """How many keys the business has that are not revoked. No other is made until this transaction ends."""
    await row(conn, _LOCK, {"business_id": business_id})
    return int((await row(conn, _COUNT, {"business_id": business_id}))["n"])


_SHOWN: Final = "id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at"

_ADD = text(f"""
INSERT INTO api_keys (id, business_id, name, prefix, secret_hash, scopes, created_by, expires_at)
VALUES (:id, :business_id, :name, :prefix, :secret_hash, :scopes, :created_by, :expires_at)
RETURNING {_SHOWN}
""")  # noqa: S608 - a constant


async def add(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row:
    """The new key as it is shown. Its name must be free: lock the business's keys and look first."""
    return await row(conn, _ADD, {"business_id": business_id, **values})


_FIND_NAMED = text(
    "SELECT id FROM api_keys WHERE business_id = :business_id AND name = :name AND revoked_at IS NULL"
)


async def find_named(conn: AsyncConnection, business_id: UUID, name: str) -> UUID | None:
    """The id of the key that has this name and is not revoked."""
    found = await row_or_none(conn, _FIND_NAMED, {"business_id": business_id, "name": name})
    return None if found is None else found["id"]


# Keys that still open something are shown however many were revoked after them.
_LIST = text(f"""
SELECT {_SHOWN} FROM api_keys WHERE business_id = :business_id AND (revoked_at IS NULL OR id IN (
    SELECT id FROM api_keys WHERE business_id = :business_id AND revoked_at IS NOT NULL
    ORDER BY id DESC LIMIT {REVOKED_SHOWN}))
ORDER BY id DESC
""")  # noqa: S608 - constants


async def list_all(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """Every key that is not revoked and the latest that are, newest first; nothing secret."""
    return await rows(conn, _LIST, {"business_id": business_id})


_REVOKE = text("""
UPDATE api_keys SET revoked_at = coalesce(revoked_at, statement_timestamp())
WHERE business_id = :business_id AND id = :id RETURNING 1
""")


async def revoke(conn: AsyncConnection, business_id: UUID, key_id: UUID) -> bool:
    """Let the key open nothing from now on, if it still does; False when the business has no such key."""
    return await row_or_none(conn, _REVOKE, {"business_id": business_id, "id": key_id}) is not None
