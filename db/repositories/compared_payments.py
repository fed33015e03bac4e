"""Payments as reconciliation compares them with the gateway."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, rows
from domain.effects import Vendor

# Those that may still move, and those that have moved of late: each is a question to the gateway. Of what was
# captured long ago the gateway tells by itself.
_TO_COMPARE = text("""
SELECT p.*, b.status, b.price_minor, last.id AS effect_id,
       coalesce((
           SELECT CAST(e.subject ->> 'fee_percent' AS integer) FROM effects e
           WHERE e.business_id = p.business_id AND e.booking_id = p.booking_id AND e.kind = 'settle_payment'
             AND e.subject ? 'fee_percent'
           ORDER BY e.id LIMIT 1), 0) AS fee_percent
FROM payments p
JOIN bookings b ON b.business_id = p.business_id AND b.id = p.booking_id
LEFT JOIN LATERAL (
    SELECT e.id, e.state FROM effects e
    WHERE e.business_id = p.business_id AND e.booking_id = p.booking_id AND e.lane = 'payment'
    ORDER BY e.id DESC LIMIT 1
) AS last ON true
WHERE p.business_id = :business_id AND p.vendor = :vendor AND p.payer_ref IS NOT NULL
  AND p.booking_id > CAST(:after AS uuid)
  AND (p.state IN ('awaiting', 'action_required', 'authorized')
       OR greatest(p.updated_at, b.updated_at) > statement_timestamp() - interval '2 days')
  AND NOT EXISTS (
      SELECT 1 FROM effects e
      WHERE e.business_id = p.business_id AND e.booking_id = p.booking_id AND e.lane = 'payment'
        AND e.state IN ('pending', 'running', 'retrying'))
  AND coalesce(last.state, '') <> 'skipped'
ORDER BY p.booking_id LIMIT :limit
""")


async def list_to_compare(
    conn: AsyncConnection, business_id: UUID, vendor: Vendor, *, after: UUID, limit: int
) -> Sequence[Row]:
    """Payments with nothing on its way to the gateway, behind that of the booking with the id `after`."""
    parameters = {"business_id": business_id, "vendor": vendor, "after": after, "limit": limit}
    return await rows(conn, _TO_COMPARE, parameters)
