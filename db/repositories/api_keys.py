"""API keys. A key is found by its prefix and compared by hash."""

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
    """Its last recorded use was at least a minute ago."""


async def find_by_prefix(conn: AsyncConnection, prefix: str) -> StoredKey | None:
    """The key with this prefix."""
    found = await row_or_none(conn, _FIND, {"prefix": prefix})
    return None if found is None else StoredKey(**found)


_NOTE_USE = text("""
UPDATE api_keys SET last_used_at = statement_timestamp() WHERE business_id = :business_id AND id = :id
""")


async def note_use(conn: AsyncConnection, business_id: UUID, key_id: UUID) -> None:
    """Record that the key was used now."""
    await execute(conn, _NOTE_USE, {"business_id": business_id, "id": key_id})


# Does not block new bookings, which reference the row.
_LOCK = text("SELECT id FROM businesses WHERE id = :business_id FOR NO KEY UPDATE")
_COUNT = text("SELECT count(*) AS n FROM api_keys WHERE business_id = :business_id AND revoked_at IS NULL")


async def lock_and_count(conn: AsyncConnection, business_id: UUID) -> int:
    """The number of keys that are not revoked. No other key is created until this transaction ends."""
    await row(conn, _LOCK, {"business_id": business_id})
    return int((await row(conn, _COUNT, {"business_id": business_id}))["n"])


_SHOWN: Final = "id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at"

_ADD = text(f"""
INSERT INTO api_keys (id, business_id, name, prefix, secret_hash, scopes, created_by, expires_at)
VALUES (:id, :business_id, :name, :prefix, :secret_hash, :scopes, :created_by, :expires_at)
RETURNING {_SHOWN}
""")  # noqa: S608 - a constant


async def add(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row:
    """Add a key; returns it without its hash. Call `lock_and_count` and check that the name is free first."""
    return await row(conn, _ADD, {"business_id": business_id, **values})


_FIND_NAMED = text(
    "SELECT id FROM api_keys WHERE business_id = :business_id AND name = :name AND revoked_at IS NULL"
)


async def find_named(conn: AsyncConnection, business_id: UUID, name: str) -> UUID | None:
    """The id of the unrevoked key with this name."""
    found = await row_or_none(conn, _FIND_NAMED, {"business_id": business_id, "name": name})
    return None if found is None else found["id"]


# Unrevoked keys are always listed, however many were revoked later.
_LIST = text(f"""
SELECT {_SHOWN} FROM api_keys WHERE business_id = :business_id AND (revoked_at IS NULL OR id IN (
    SELECT id FROM api_keys WHERE business_id = :business_id AND revoked_at IS NOT NULL
    ORDER BY id DESC LIMIT {REVOKED_SHOWN}))
ORDER BY id DESC
""")  # noqa: S608 - constants


async def list_all(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All unrevoked keys and the latest revoked ones, newest first, without hashes."""
    return await rows(conn, _LIST, {"business_id": business_id})


_REVOKE = text("""
UPDATE api_keys SET revoked_at = coalesce(revoked_at, statement_timestamp())
WHERE business_id = :business_id AND id = :id RETURNING 1
""")


async def revoke(conn: AsyncConnection, business_id: UUID, key_id: UUID) -> bool:
    """Revoke the key, if it is not revoked yet; False if the business has no such key."""
    return await row_or_none(conn, _REVOKE, {"business_id": business_id, "id": key_id}) is not None
