"""The end of the event log, of many businesses at once: an API process asks for all its listeners."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, rows

_COLUMNS = "id, business_id, type, source, subject, time, correlation_id, actor, data, schema_version, position"

_LAST = text("SELECT business_id, last FROM event_positions WHERE business_id = ANY(:business_ids)")

_AT = text("""
SELECT known.id AS business_id, coalesce(e.position, 0) AS position
FROM unnest(CAST(:business_ids AS uuid[])) AS known (id)
LEFT JOIN LATERAL (
    SELECT position FROM events
    WHERE business_id = known.id AND position IS NOT NULL AND time < :moment
    ORDER BY position DESC LIMIT 1
) AS e ON true
""")

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


async def last_positions(conn: AsyncConnection, business_ids: list[UUID]) -> dict[UUID, int]:
    """The last position of each business that has one."""
    found = await rows(conn, _LAST, {"business_ids": business_ids})
    return {row["business_id"]: row["last"] for row in found}


async def positions_at(conn: AsyncConnection, business_ids: Collection[UUID], moment: datetime) -> dict[UUID, int]:
    """The position of each business's last event from before the moment; 0: there is none."""
    found = await rows(conn, _AT, {"business_ids": list(business_ids), "moment": moment})
    return {row["business_id"]: row["position"] for row in found}


async def list_new(conn: AsyncConnection, known: Mapping[UUID, int], *, limit: int) -> Sequence[Row]:
    """Events behind the positions that are known, by business and position; `limit` of each business at most."""
    parameters = {"business_ids": list(known), "positions": list(known.values()), "limit": limit}
    return await rows(conn, _NEW, parameters)
