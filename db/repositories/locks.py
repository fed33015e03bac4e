"""Advisory locks of one business, held until the transaction ends."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute

_LOCK = text("""
SELECT pg_advisory_xact_lock(hashtextextended(name, 0)) FROM unnest(CAST(:names AS text[])) AS name
""")


async def lock(conn: AsyncConnection, business_id: UUID, names: Iterable[str]) -> None:
    """Wait for the business's locks of these names and hold them until the transaction ends."""
    ordered = sorted(f"{business_id}/{name}" for name in names)  # the same order everywhere prevents deadlocks
    if ordered:
        await execute(conn, _LOCK, {"names": ordered})
