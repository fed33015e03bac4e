"""PAY.JP's events. They only trigger a query for the present state.

https://docs.pay.jp/v2/guide/developers/event-webhook
"""

import hmac
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from api.hooks.hook import Event, Hook, Integration, Name, Received, VendorPayload
from api.hooks.payments import OfPayment, plan_sync
from domain.effects import Vendor
from runtime.json import parse_untrusted

TOKEN: Final = "X-Payjp-Webhook-Token"  # noqa: S105 - the header's name
_TELLING: Final = ("payment_flow.", "refund.", "payment_refund.")


class _About(OfPayment):
    id: Name | None = None
    payment_flow_id: Name | None = None


class _Call(VendorPayload):
    id: Name
    type: Name
    data: dict[str, Any]


class PayjpHook(Hook):
    """Events of payment flows and refunds."""

    def verify(self, received: Received, integration: Integration) -> bool:
        """PAY.JP sends the endpoint's token, which it shows beside the URL, with each call."""
        token = integration.secrets.get("webhook_token")
        sent = received.headers.get(TOKEN)
        return bool(token and sent) and hmac.compare_digest(str(token).encode(), str(sent).encode())

    def events(self, received: Received) -> Sequence[Event]:
        """One event, if it is about a payment."""
        payload = _Call.model_validate(parse_untrusted(received.body))
        is_ours = payload.type.startswith(_TELLING)
        return (
            [Event(id=payload.id, type=payload.type, data=_About.model_validate(payload.data))] if is_ours else []
        )

    async def apply(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Plan a comparison of the payment with PAY.JP's record."""
        about: _About = event.data
        await plan_sync(conn, integration, Vendor.PAYJP, event, about.payment_flow_id or about.id)
