"""The end of the event log, of many businesses at once: an API process asks for all its listeners."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row, rows

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

_WRITTEN = text("SELECT coalesce(pg_sequence_last_value('events_written'), 0) AS written")

_PAGE: Final = 10_000
# Positions follow the order of writing, but for transactions that were open for long: a page's slack covers them.
_FIRST_SINCE = text("""
SELECT min(position) FILTER (WHERE written > :written) AS first, min(position) AS lowest
FROM events WHERE business_id = :business_id AND position <= :until AND position > :until - :page
""")


async def count_written(conn: AsyncConnection) -> int:
    """How many events have been written so far, by PostgreSQL's count over all businesses."""
    return int((await row(conn, _WRITTEN, {}))["written"])


async def last_before(conn: AsyncConnection, business_id: UUID, written: int) -> int:
    """The position behind which are all events of a business that were written after this count.

    It walks back from the end of the log, a page at a time, as far as there are such events.
    """
    until: int = (await last_positions(conn, [business_id])).get(business_id, 0)
    while until:
        values = {"business_id": business_id, "written": written, "until": until, "page": _PAGE}
        page = await row(conn, _FIRST_SINCE, values)
        if page["first"] is None:
            return until
        until = page["first"] - 1
        if page["first"] > page["lowest"]:
            return until
    return 0


async def last_positions(conn: AsyncConnection, business_ids: list[UUID]) -> dict[UUID, int]:
    """The last position of each business that has one."""
    found = await rows(conn, _LAST, {"business_ids": business_ids})
    return {row["business_id"]: row["last"] for row in found}


async def list_new(conn: AsyncConnection, known: Mapping[UUID, int], *, limit: int) -> Sequence[Row]:
    """Events behind the positions that are known, by business and position; `limit` of each business at most."""
    parameters = {"business_ids": list(known), "positions": list(known.values()), "limit": limit}
    return await rows(conn, _NEW, parameters)
