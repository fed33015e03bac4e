"""Having a gateway asked what it has: because it called, or because the payer waits."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.payments import plan
from db.repositories.rows import row_or_none
from domain.effects import EffectKind, Lane, Planned, Port, Vendor

# One that waits to be handed over will see what the gateway is telling now.
_SYNC = text("""
SELECT p.booking_id FROM payments p
WHERE p.business_id = :business_id AND p.vendor = :vendor
  AND (p.gateway_ref = CAST(:gateway_ref AS varchar) OR p.booking_id = CAST(:booking_id AS uuid))
  AND NOT EXISTS (
      SELECT 1 FROM effects e
      WHERE e.booking_id = p.booking_id AND e.lane = 'payment' AND e.kind = 'sync_payment'
        AND e.state = 'pending' AND e.handed_at IS NULL)
LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class GatewayCallback:
    """What a gateway's call is about."""

    vendor: Vendor
    event_id: str
    booking_id: UUID | None
    gateway_ref: str | None


async def plan_sync(conn: AsyncConnection, business_id: UUID, called: GatewayCallback) -> None:
    """Have the truth asked for at the gateway; nothing when the call is about no payment of this business."""
    parameters = {
        "business_id": business_id,
        "vendor": called.vendor,
        "gateway_ref": called.gateway_ref,
        "booking_id": called.booking_id,
    }
    found = await row_or_none(conn, _SYNC, parameters)
    if found is not None:
        await plan(conn, business_id, found["booking_id"], [_sync(found["booking_id"], called.event_id[:100])])


# Whatever is open in the lane will look at the gateway itself.
_WATCHED = text("""
SELECT to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MI') AS minute FROM payments p
JOIN bookings b ON b.business_id = p.business_id AND b.id = p.booking_id
WHERE p.business_id = :business_id AND p.booking_id = :booking_id AND p.state = 'action_required'
  AND b.payment = 'awaiting' AND b.status NOT IN ('completed', 'cancelled')
  AND NOT EXISTS (
      SELECT 1 FROM effects e
      WHERE e.booking_id = p.booking_id AND e.lane = 'payment' AND e.state IN ('pending', 'retrying', 'running'))
""")


async def plan_sync_of_watched(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> None:
    """Have the gateway asked, once a minute at most, whether the payer who is waiting has proved who they are."""
    found = await row_or_none(conn, _WATCHED, {"business_id": business_id, "booking_id": booking_id})
    if found is not None:
        await plan(conn, business_id, booking_id, [_sync(booking_id, f"watched/{found['minute']}")])


def _sync(booking_id: UUID, cause: str) -> Planned:
    kind = EffectKind.SYNC_PAYMENT
    return Planned(kind=kind, port=Port.PAYMENTS, key=f"{booking_id}/{kind}/{cause}", lane=Lane.PAYMENT)
