"""Leases for work that one process at a time should do. They expire by PostgreSQL's clock.

A lease saves work; it is not a lock. A process that was stopped may wake up after its lease has expired, and go on
for a moment beside the next holder. So what is done under a lease must be harmless when it is done twice.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import row

RELAY: Final = "relay"

# The first holder ever inserts the row. Asking for a lease that somebody else holds does not lock its row.
_ACQUIRE = text("""
WITH made AS (
    INSERT INTO leases (name, holder, expires_at)
    SELECT CAST(:name AS varchar), CAST(:holder AS uuid), statement_timestamp() + CAST(:lasts AS interval)
    WHERE NOT EXISTS (SELECT 1 FROM leases WHERE name = CAST(:name AS varchar))
    ON CONFLICT (name) DO NOTHING
    RETURNING 1
), taken AS (
    UPDATE leases SET holder = CAST(:holder AS uuid), expires_at = statement_timestamp() + CAST(:lasts AS interval)
    WHERE name = CAST(:name AS varchar) AND (holder = CAST(:holder AS uuid) OR expires_at <= statement_timestamp())
    RETURNING 1
)
SELECT EXISTS (SELECT 1 FROM made) OR EXISTS (SELECT 1 FROM taken) AS is_ours
""")


async def acquire(conn: AsyncConnection, name: str, holder: UUID, *, lasts: timedelta) -> bool:
    """Take a lease that is free, or renew one's own; whether it is ours from now on for as long as it `lasts`.

    On a connection that commits each statement: in a transaction, a process that stops would keep the row locked.
    """
    return bool((await row(conn, _ACQUIRE, {"name": name, "holder": holder, "lasts": lasts}))["is_ours"])
