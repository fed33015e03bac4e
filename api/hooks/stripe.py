"""Stripe's events. They say that something happened; what there is now is asked for.

https://docs.stripe.com/webhooks
"""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from api.hooks.hook import Event, Hook, Integration, Received
from api.hooks.payments import plan_sync
from domain.effects import Vendor

SIGNATURE: Final = "Stripe-Signature"
_TELLING: Final = ("payment_intent.", "charge.", "refund.")


class StripeHook(Hook):
    """Events of PaymentIntents, and of the charges, refunds and disputes that name theirs."""

    def verify(self, received: Received, integration: Integration) -> bool:
        """HMAC over a time and the body, not older than five minutes."""
        import stripe  # noqa: PLC0415  # a fifth of a second, which the API's start need not wait for

        secret = integration.secrets.get("webhook_secret")
        if not secret:
            return False
        try:
            stripe.WebhookSignature.verify_header(
                received.body.decode(), received.headers.get(SIGNATURE), secret, stripe.Webhook.DEFAULT_TOLERANCE
            )
        except (stripe.SignatureVerificationError, ValueError):
            return False
        return True

    def events(self, received: Received) -> Sequence[Event]:
        """One, if it is about a payment."""
        told = json.loads(received.body)
        is_ours = told["type"].startswith(_TELLING)
        return [Event(id=told["id"], type=told["type"], data=told["data"]["object"])] if is_ours else []

    async def take(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Have the payment compared with what Stripe has."""
        about = event.data
        ref = about["id"] if event.type.startswith("payment_intent.") else about.get("payment_intent")
        await plan_sync(conn, integration, Vendor.STRIPE, event, ref)
