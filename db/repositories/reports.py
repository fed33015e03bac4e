"""Counts of a business's bookings for reports, computed on each request."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, rows
from domain.reports import GroupBy

_KEYS: Final = {
    GroupBy.DAY: "width_bucket(b.starts_at, CAST(:edges AS timestamptz[])) - 1",
    GroupBy.SERVICE: "b.service_id",
    GroupBy.PROVIDER: "b.provider_id",
}
_OF_WINDOW: Final = """b.business_id = :business_id AND b.starts_at >= (CAST(:edges AS timestamptz[]))[1]
      AND b.starts_at < (CAST(:edges AS timestamptz[]))[cardinality(CAST(:edges AS timestamptz[]))]"""
# Providers who refused or left the booking are in the list: an acceptance that was not kept counts as a refusal.
_ACCEPTED: Final = """b.accepted_once AND b.provider_id IS NOT NULL
           AND b.status NOT IN ('pending', 'assigned', 'rejected')
           AND NOT b.provider_id = ANY(b.refused_provider_ids)"""


def _lots(by: GroupBy) -> TextClause:
    refused = "0" if by is GroupBy.PROVIDER else "sum(cardinality(b.refused_provider_ids))"
    return text(f"""
SELECT {_KEYS[by]} AS key, b.status, b.currency, count(*) AS bookings, sum(b.price_minor) AS price_minor,
       coalesce(sum(p.captured_minor - p.refunded_minor), 0) AS paid_minor,
       count(*) FILTER (WHERE {_ACCEPTED}) AS offers_accepted, {refused} AS offers_refused,
       count(*) FILTER (WHERE b.absent_party = 'customer') AS no_shows
FROM bookings b
LEFT JOIN payments p ON p.business_id = b.business_id AND p.booking_id = b.id AND p.captured_minor > 0
WHERE {_OF_WINDOW} GROUP BY 1, 2, 3
""")  # noqa: S608


_LOTS: Final = {by: _lots(by) for by in GroupBy}
_REFUSALS: Final = text(f"""
SELECT refused AS key, count(*) AS offers_refused
FROM bookings b, unnest(b.refused_provider_ids) AS refused
WHERE {_OF_WINDOW} AND b.refused_provider_ids <> '{{}}' GROUP BY 1
""")  # noqa: S608
_NAMES: Final = {
    GroupBy.SERVICE: text("SELECT id, name FROM services WHERE business_id = :business_id"),
    GroupBy.PROVIDER: text("SELECT id, name FROM providers WHERE business_id = :business_id"),
}


@dataclass(frozen=True, slots=True)
class BookingCounts:
    """Counts by group: a day (numbered from 0), a service or a provider."""

    lots: Sequence[Row]
    """One row per group, status and currency."""
    refusals: Sequence[Row]
    """Offers refused by each provider, whoever has the booking now."""
    names: dict[UUID, str]


async def count(conn: AsyncConnection, business_id: UUID, edges: Sequence[datetime], by: GroupBy) -> BookingCounts:
    """Count the bookings that start from the first edge to before the last; two adjacent edges delimit a day."""
    window: dict[str, Any] = {"business_id": business_id, "edges": list(edges)}
    named = await rows(conn, _NAMES[by], {"business_id": business_id}) if by in _NAMES else ()
    return BookingCounts(
        lots=await rows(conn, _LOTS[by], window),
        refusals=await rows(conn, _REFUSALS, window) if by is GroupBy.PROVIDER else (),
        names={row["id"]: row["name"] for row in named},
    )
