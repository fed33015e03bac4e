"""Effects that query a gateway's state: after its callback, or while the payer waits."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.effect_planning import plan
from db.repositories.rows import row_or_none
from domain.effects import EffectKind, Planned, Port, SequenceKey, Vendor

# One that waits to be handed over will see what the gateway is telling now.
_SYNC = text(f"""
SELECT p.booking_id FROM payments p
WHERE p.business_id = :business_id AND p.vendor = :vendor
  AND (p.gateway_ref = CAST(:gateway_ref AS varchar) OR p.booking_id = CAST(:booking_id AS uuid))
  AND NOT EXISTS (
      SELECT 1 FROM effects e
      WHERE e.booking_id = p.booking_id AND e.lane = 'payment' AND e.kind = '{EffectKind.SYNC_PAYMENT}'
        AND e.state = 'pending' AND e.handed_at IS NULL)
LIMIT 1
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class GatewayCallback:
    """What a gateway's callback is about."""

    vendor: Vendor
    event_id: str
    booking_id: UUID | None
    gateway_ref: str | None


async def plan_sync(conn: AsyncConnection, business_id: UUID, called: GatewayCallback) -> None:
    """Plan a query of the gateway's state; nothing if the callback concerns no payment of this business."""
    parameters = {
        "business_id": business_id,
        "vendor": called.vendor,
        "gateway_ref": called.gateway_ref,
        "booking_id": called.booking_id,
    }
    found = await row_or_none(conn, _SYNC, parameters)
    if found is not None:
        await plan(conn, business_id, found["booking_id"], [_sync(found["booking_id"], called.event_id[:100])])


# Whatever is open for the payment looks at the gateway itself.
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
    """Plan a query, at most once a minute, whether the waiting payer has authenticated."""
    found = await row_or_none(conn, _WATCHED, {"business_id": business_id, "booking_id": booking_id})
    if found is not None:
        await plan(conn, business_id, booking_id, [_sync(booking_id, f"watched/{found['minute']}")])


def _sync(booking_id: UUID, cause: str) -> Planned:
    kind = EffectKind.SYNC_PAYMENT
    key = f"{booking_id}/{kind}/{cause}"
    return Planned(kind=kind, port=Port.PAYMENTS, key=key, sequence_key=SequenceKey.PAYMENT)
