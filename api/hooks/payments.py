"""What payment gateways' calls have in common: they carry no state into our records.

They may come first, twice or in the wrong order. So each only has the truth asked for, in the payment's own lane.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.hooks.hook import Event, Integration, Told
from db.repositories import payment_syncs
from db.repositories.payment_syncs import GatewayCallback
from domain.effects import Vendor

_BOOKING: Final = "holdfast_booking"


class OfPayment(Told):
    """What a payment is known by, in what a gateway tells."""

    metadata: dict[str, Any] | None = None

    @property
    def booking_id(self) -> UUID | None:
        """The booking that we named when we made the payment."""
        return _uuid((self.metadata or {}).get(_BOOKING))


async def plan_sync(
    conn: AsyncConnection, integration: Integration, vendor: Vendor, event: Event, ref: str | None
) -> None:
    """Have the payment that an event is about compared with the gateway's; nothing if it is none of ours."""
    called = GatewayCallback(
        vendor=vendor,
        event_id=event.id,
        booking_id=event.data.booking_id,
        gateway_ref=ref,
    )
    await payment_syncs.plan_sync(conn, integration.business_id, called)


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        return None
