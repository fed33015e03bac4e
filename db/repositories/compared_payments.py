"""Payments to compare with the gateway in reconciliation, and the newest settled end of a booking."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row, rows
from domain.effects import EffectKind, Vendor

# Those that may still move, those that have moved of late, and those that were declined although the service was
# given: each is a question to the gateway. Of what was captured long ago the gateway tells by itself. A booking
# that was brought back and cancelled again costs what its newest end says. Which ones may concern us at all is
# found by index, each reason by its own: a history of years is not read.
_TO_COMPARE = text(f"""
SELECT p.*, b.status, b.price_minor, last.id AS effect_id,
       coalesce(settle.fee_percent, 0) AS fee_percent, settle.version AS settled_version
FROM (
    SELECT booking_id FROM payments
    WHERE business_id = :business_id AND state IN ('awaiting', 'action_required', 'declined', 'authorized')
      AND booking_id > CAST(:after AS uuid)
    UNION
    SELECT booking_id FROM payments
    WHERE business_id = :business_id AND state IN ('captured', 'released', 'refunded')
      AND updated_at > statement_timestamp() - interval '2 days'
    UNION
    SELECT id FROM bookings
    WHERE business_id = :business_id AND status NOT IN ('completed', 'cancelled') AND id > CAST(:after AS uuid)
    UNION
    SELECT id FROM bookings
    WHERE business_id = :business_id AND status IN ('completed', 'cancelled')
      AND updated_at > statement_timestamp() - interval '2 days'
) AS looked_at
JOIN payments p ON p.booking_id = looked_at.booking_id
JOIN bookings b ON b.business_id = p.business_id AND b.id = p.booking_id
LEFT JOIN LATERAL (
    SELECT e.id, e.state FROM effects e
    WHERE e.business_id = p.business_id AND e.booking_id = p.booking_id AND e.lane = 'payment'
    ORDER BY e.id DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT CAST(e.subject ->> 'fee_percent' AS integer) AS fee_percent,
           CAST(e.subject ->> 'version' AS integer) AS version
    FROM effects e
    WHERE e.business_id = p.business_id AND e.booking_id = p.booking_id AND e.kind = '{EffectKind.SETTLE_PAYMENT}'
      AND e.subject ? 'fee_percent'
    ORDER BY e.id DESC LIMIT 1
) AS settle ON true
WHERE p.business_id = :business_id AND p.vendor = :vendor AND p.payer_ref IS NOT NULL
  AND p.booking_id > CAST(:after AS uuid)
  AND (p.state IN ('awaiting', 'action_required', 'authorized')
       OR p.state = 'declined' AND b.status = 'completed'
       OR greatest(p.updated_at, b.updated_at) > statement_timestamp() - interval '2 days')
  AND NOT EXISTS (
      SELECT 1 FROM effects e
      WHERE e.business_id = p.business_id AND e.booking_id = p.booking_id AND e.lane = 'payment'
        AND e.state IN ('pending', 'running', 'retrying'))
  AND coalesce(last.state, '') <> 'skipped'
ORDER BY p.booking_id LIMIT :limit
""")  # noqa: S608


async def list_to_compare(
    conn: AsyncConnection, business_id: UUID, vendor: Vendor, *, after: UUID, limit: int
) -> Sequence[Row]:
    """Payments without open effects, after the booking with the id `after`."""
    parameters = {"business_id": business_id, "vendor": vendor, "after": after, "limit": limit}
    return await rows(conn, _TO_COMPARE, parameters)


_NEWEST_SETTLED_VERSION = text(f"""
SELECT max(CAST(subject ->> 'version' AS integer)) AS version FROM effects
WHERE business_id = :business_id AND booking_id = :booking_id AND kind = '{EffectKind.SETTLE_PAYMENT}'
""")  # noqa: S608


async def newest_settled_version(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> int | None:
    """The booking's version at its newest end with a settlement."""
    parameters = {"business_id": business_id, "booking_id": booking_id}
    version: int | None = (await row(conn, _NEWEST_SETTLED_VERSION, parameters))["version"]
    return version
