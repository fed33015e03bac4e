"""Stripe's events. They only trigger a query for the present state.

https://docs.stripe.com/webhooks
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from api.hooks.hook import Event, Hook, Integration, Name, Received, VendorPayload
from api.hooks.payments import OfPayment, plan_sync
from domain.effects import Vendor
from runtime.json import parse_untrusted

SIGNATURE: Final = "Stripe-Signature"
_TELLING: Final = ("payment_intent.", "charge.", "refund.")


class _About(OfPayment):
    id: Name
    payment_intent: Name | None = None


class _Data(VendorPayload):
    object: _About


class _Call(VendorPayload):
    id: Name
    type: Name
    data: dict[str, Any]


class StripeHook(Hook):
    """Events of PaymentIntents, and of the charges, refunds and disputes that name theirs."""

    def verify(self, received: Received, integration: Integration) -> bool:
        """HMAC over a timestamp and the body, not older than five minutes."""
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
        """One event, if it is about a payment."""
        payload = _Call.model_validate(parse_untrusted(received.body))
        if not payload.type.startswith(_TELLING):
            return []
        return [Event(id=payload.id, type=payload.type, data=_Data.model_validate(payload.data).object)]

    async def apply(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Plan a comparison of the payment with Stripe's record."""
        about: _About = event.data
        ref = about.id if event.type.startswith("payment_intent.") else about.payment_intent
        await plan_sync(conn, integration, Vendor.STRIPE, event, ref)
