"""The end of the event log, of many businesses at once: an API process asks for all its listeners."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row_or_none, rows

_COLUMNS = "id, business_id, type, source, subject, time, correlation_id, actor, data, schema_version, position"

_LAST = text("SELECT business_id, last FROM event_positions WHERE business_id = ANY(:business_ids)")

# One statement and so one snapshot. A business that is far behind gets a page, and the rest at the next call.
_NEW = text(f"""
SELECT e.*
FROM unnest(CAST(:business_ids AS uuid[]), CAST(:positions AS bigint[])) AS known (business_id, position)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM events
    WHERE business_id = known.business_id AND position > known.position
    ORDER BY position LIMIT :limit
) AS e
ORDER BY e.business_id, e.position
""")  # noqa: S608


# Ids of events are UUIDv7: those since a moment are one range. Clocks and commits may differ by seconds.
_BEFORE_CUSTOMER = text("""
SELECT coalesce(
    min(e.position) - 1, (SELECT last FROM event_positions WHERE business_id = :business_id), 0) AS position
FROM customers c
LEFT JOIN LATERAL (
    SELECT position FROM events
    WHERE business_id = c.business_id AND position IS NOT NULL AND id >= CAST(
        lpad(to_hex(CAST(extract(epoch FROM c.created_at - interval '5 s') * 1000 AS bigint)), 12, '0')
        || repeat('0', 20) AS uuid)
    ORDER BY id LIMIT 100
) AS e ON true
WHERE c.business_id = :business_id AND c.user_id = :user_id
AND c.created_at >= CAST(:since AS timestamptz) - interval '5 s'
GROUP BY c.id
""")


async def position_before_customer(
    conn: AsyncConnection, business_id: UUID, user_id: UUID, since: datetime
) -> int | None:
    """A position before all that concerns a user who became a customer since this moment; none: they did not."""
    found = await row_or_none(
        conn, _BEFORE_CUSTOMER, {"business_id": business_id, "user_id": user_id, "since": since}
    )
    return None if found is None else found["position"]


async def last_positions(conn: AsyncConnection, business_ids: list[UUID]) -> dict[UUID, int]:
    """The last position of each business that has one."""
    found = await rows(conn, _LAST, {"business_ids": business_ids})
    return {row["business_id"]: row["last"] for row in found}


async def list_new(conn: AsyncConnection, known: Mapping[UUID, int], *, limit: int) -> Sequence[Row]:
    """Events behind the positions that are known, by business and position; `limit` of each business at most."""
    parameters = {"business_ids": list(known), "positions": list(known.values()), "limit": limit}
    return await rows(conn, _NEW, parameters)
