"""Bookings as jobs in a business's own job management system: one to transfer, or many to compare."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row_or_none, rows

_FIND = text("""
SELECT b.id AS booking_id, b.status, b.reference, b.starts_at, b.ends_at, b.address, b.notes,
       s.code AS service_code, s.name AS service, p.name AS provider,
       b.contact, c.id AS customer_id, c.name AS customer, c.email, c.phone,
       EXISTS (
           SELECT 1 FROM effects e
           WHERE e.business_id = b.business_id AND e.booking_id = b.id AND e.lane = 'job'
             AND e.id < :effect_id AND e.attempts > 0
       ) AS may_be_there
FROM bookings b
JOIN services s ON s.business_id = b.business_id AND s.id = b.service_id
JOIN customers c ON c.business_id = b.business_id AND c.id = b.customer_id
LEFT JOIN providers p ON p.business_id = b.business_id AND p.id = b.provider_id
WHERE b.business_id = :business_id AND b.id = :booking_id
""")


async def find(conn: AsyncConnection, business_id: UUID, booking_id: UUID, *, effect_id: UUID) -> Row | None:
    """The booking's current state; `may_be_there` says that an earlier effect was attempted."""
    parameters = {"business_id": business_id, "booking_id": booking_id, "effect_id": effect_id}
    return await row_or_none(conn, _FIND, parameters)


# Accepted bookings whose job was created and has no open effect. A booking that has ended is compared for two more
# days, to notice a job that outlives it. Open and ended bookings have an index each.
_TO_COMPARE = text("""
SELECT b.id AS booking_id, b.status, b.version, b.starts_at, b.ends_at,
       last.id AS effect_id, last.state AS effect_state
FROM (
    SELECT * FROM bookings
    WHERE business_id = :business_id AND status NOT IN ('completed', 'cancelled') AND id > CAST(:after AS uuid)
    UNION ALL
    SELECT * FROM bookings
    WHERE business_id = :business_id AND status IN ('completed', 'cancelled') AND id > CAST(:after AS uuid)
      AND updated_at > statement_timestamp() - interval '2 days'
) AS b
CROSS JOIN LATERAL (
    SELECT e.id, e.state FROM effects e
    WHERE e.business_id = b.business_id AND e.booking_id = b.id AND e.lane = 'job' AND e.target_id = :target_id
    ORDER BY e.id DESC LIMIT 1
) AS last
WHERE b.accepted_once
  AND last.state NOT IN ('pending', 'running', 'retrying', 'skipped')
  AND EXISTS (
      SELECT 1 FROM effects e
      WHERE e.business_id = b.business_id AND e.booking_id = b.id AND e.lane = 'job' AND e.target_id = :target_id
        AND e.state = 'done')
ORDER BY b.id LIMIT :limit
""")


async def list_to_compare(
    conn: AsyncConnection, business_id: UUID, target_id: UUID, *, after: UUID, limit: int
) -> Sequence[Row]:
    """Bookings whose job should match them, after the one with the id `after`; no personal data.

    `target_id` is the integration.
    """
    parameters = {"business_id": business_id, "target_id": target_id, "after": after, "limit": limit}
    return await rows(conn, _TO_COMPARE, parameters)
