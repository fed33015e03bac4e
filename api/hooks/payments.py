"""What payment gateways' calls have in common: their content never goes into our records.

They may come early, twice or out of order, so each only triggers a query, in sequence with the payment's effects.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.hooks.hook import Event, Integration, VendorPayload
from db.repositories import payment_syncs
from db.repositories.payment_syncs import GatewayCallback
from domain.effects import Vendor

_BOOKING: Final = "holdfast_booking"


class OfPayment(VendorPayload):
    """How a gateway's event refers to a payment."""

    metadata: dict[str, Any] | None = None

    @property
    def booking_id(self) -> UUID | None:
        """The booking id that we attached when we created the payment."""
        return _uuid((self.metadata or {}).get(_BOOKING))


async def plan_sync(
    conn: AsyncConnection, integration: Integration, vendor: Vendor, event: Event, ref: str | None
) -> None:
    """Plan a comparison of the event's payment with the gateway's record; nothing if it is not ours."""
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
