"""PAY.JP's events. They say that something happened; what there is now is asked for.

https://docs.pay.jp/v2/guide/developers/event-webhook
"""

import hmac
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from api.hooks.hook import Event, Hook, Integration, Received
from api.hooks.payments import plan_sync
from domain.effects import Vendor
from runtime.json import from_json

TOKEN: Final = "X-Payjp-Webhook-Token"  # noqa: S105 - the header's name
_TELLING: Final = ("payment_flow.", "refund.", "payment_refund.")


class PayjpHook(Hook):
    """Events of payment flows and refunds."""

    def verify(self, received: Received, integration: Integration) -> bool:
        """The endpoint's token, as PAY.JP shows it beside the URL, is sent with each call."""
        token = integration.secrets.get("webhook_token")
        sent = received.headers.get(TOKEN)
        return bool(token and sent) and hmac.compare_digest(str(token).encode(), str(sent).encode())

    def events(self, received: Received) -> Sequence[Event]:
        """One, if it is about a payment."""
        told = from_json(received.body)
        is_ours = told["type"].startswith(_TELLING)
        return [Event(id=told["id"], type=told["type"], data=told["data"])] if is_ours else []

    async def take(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Have the payment compared with what PAY.JP has."""
        ref = event.data.get("payment_flow_id") or event.data.get("id")
        await plan_sync(conn, integration, Vendor.PAYJP, event, ref)
