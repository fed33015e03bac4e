"""The event log: a business's events, numbered by position.

Whoever writes an event gives it no position. One writer's transaction may end before that of another who began
earlier, and readers would see positions that were given then with gaps. So any worker numbers events afterwards,
in one statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.effect_planning import insert_effects
from db.repositories.rows import Row, row, row_or_none, rows
from domain.effects import EffectKind, Vendor

BATCH: Final = 500
SCAN: Final = 10_000
"""The most events that are searched for those of some types before an answer is given."""

CHANNEL: Final = "holdfast_events"
"""Notified when events get their positions; the payload is the business. Never by a booking's own transaction: a
`NOTIFY` takes a lock over all commits that notify."""

_LOCK: Final = 0x4576656E

_MEANT = """(cardinality({patterns}) = 0 OR EXISTS (
    SELECT 1 FROM unnest({patterns}) AS pattern
    WHERE {type} = pattern OR right(pattern, 2) = '.*' AND starts_with({type}, left(pattern, -1))))"""

_DELIVERIES = f"""
    SELECT n.business_id,
           CASE WHEN pg_input_is_valid(n.data ->> 'bookingId', 'uuid')
                THEN CAST(n.data ->> 'bookingId' AS uuid) END,
           '{EffectKind.DELIVER_WEBHOOK}', '{Vendor.WEBHOOK}', w.id, 'webhook/' || n.id || '/' || w.id,
           CAST(NULL AS varchar), jsonb_build_object('event_id', n.id)
    FROM numbered n
    JOIN webhook_endpoints w ON w.business_id = n.business_id AND w.state = 'enabled'
         AND coalesce(w.hears_after < n.written, w.created_at <= n.time)
         AND {_MEANT.format(patterns="w.event_types", type="n.type")}
    ORDER BY n.business_id, n.position
"""  # noqa: S608

# Each step locks its booking, so a booking's events are written one after the other. PostgreSQL's count is their
# order, whatever the clocks of their writers said. Events from before there was a count come first.
_ORDER = "written NULLS FIRST, time, id"

# One statement, so that the server ends it even if its client stands still meanwhile. When two run at once, the
# lock (which earlier versions hold for a whole transaction) saves work. It does not make the result right: the
# lock may be got after another statement has committed what this one's snapshot does not show yet. So a business's
# events are numbered only if its last position is still that of the snapshot; otherwise the next round numbers
# them.
#
# The limit is written out: a query plan that does not know how few rows are wanted reads the whole table. An
# endpoint gets only events from after its creation, so that what an older version has left behind floods nobody.
_NUMBER = text(f"""
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock({_LOCK}) AS is_ours
), fresh AS (
    SELECT id, business_id, row_number() OVER (PARTITION BY business_id ORDER BY {_ORDER}) AS nth
    FROM (SELECT id, business_id, written, time FROM events
          WHERE position IS NULL AND (SELECT is_ours FROM turn) ORDER BY {_ORDER} LIMIT {BATCH}) AS next
), counted AS (
    SELECT f.business_id, count(*) AS fresh, coalesce(max(p.last), 0) AS last
    FROM fresh f LEFT JOIN event_positions p USING (business_id) GROUP BY f.business_id ORDER BY f.business_id
), moved AS (
    INSERT INTO event_positions AS known (business_id, last)
    SELECT business_id, last + fresh FROM counted
    ON CONFLICT (business_id) DO UPDATE SET last = excluded.last
    WHERE known.last = (SELECT c.last FROM counted c WHERE c.business_id = known.business_id)
    RETURNING business_id, last
), numbered AS (
    UPDATE events e SET position = moved.last - counted.fresh + fresh.nth
    FROM fresh JOIN moved USING (business_id) JOIN counted USING (business_id)
    WHERE e.id = fresh.id
    RETURNING e.id, e.business_id, e.type, e.written, e.time, e.position, e.data
), told AS (
    {insert_effects(_DELIVERIES)})
SELECT (SELECT count(*) FROM numbered) AS n,
       (SELECT count(pg_notify('{CHANNEL}', CAST(business_id AS text)))
        FROM (SELECT DISTINCT business_id FROM numbered) AS placed) AS notified
""")  # noqa: S608


async def number_new(conn: AsyncConnection) -> int:
    """Number new events of all tenants, and plan their webhook deliveries; how many events, `BATCH` at most.

    Any number of workers may call it at once; one that finds another at work does nothing. On a connection that
    commits each statement: a client that stops within a transaction would keep the others from it.
    """
    return int((await row(conn, _NUMBER))["n"])


_COLUMNS = "id, business_id, type, source, subject, time, correlation_id, actor, data, schema_version, position"
_FIND = text(f"SELECT {_COLUMNS} FROM events WHERE business_id = :business_id AND id = :event_id")  # noqa: S608

# One statement and so one snapshot: `last` and the events are of the same moment.
_AFTER = text(f"""
SELECT p.last, e.*
FROM event_positions p LEFT JOIN LATERAL (
    SELECT {_COLUMNS} FROM events
    WHERE business_id = p.business_id AND position > :after AND position <= :until
      AND {_MEANT.format(patterns="CAST(:types AS text[])", type="type")}
    ORDER BY position LIMIT :limit
) AS e ON true
WHERE p.business_id = :business_id
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class EventRange:
    """Some of a business's events, by position."""

    events: Sequence[Row]
    next: int
    """Everything up to this position has been searched."""
    last: int
    """The last position that there is."""


async def find(conn: AsyncConnection, business_id: UUID, event_id: UUID) -> Row | None:
    """One event."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "event_id": event_id})


async def list_after(
    conn: AsyncConnection, business_id: UUID, *, after: int, limit: int, types: Sequence[str] = ()
) -> EventRange:
    """The events after a position, without gaps. `types` are names or patterns as `booking.*`; none: all."""
    until = after + (SCAN if types else limit)
    parameters = {
        "business_id": business_id,
        "after": after,
        "until": until,
        "limit": limit,
        "types": list(types),
    }
    found = await rows(conn, _AFTER, parameters)
    last = found[0]["last"] if found else 0
    events = [one for one in found if one["id"] is not None]
    reached = events[-1]["position"] if len(events) == limit else max(after, min(until, last))
    return EventRange(events, reached, last)
