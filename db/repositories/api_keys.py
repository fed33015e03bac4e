"""API keys. Whoever presents one is found by its prefix; the rest is compared by hash."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import row_or_none

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
    await row_or_none(conn, _NOTE_USE, {"business_id": business_id, "id": key_id})
