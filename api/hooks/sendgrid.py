"""SendGrid's signed Event Webhook: delivery states of e-mails, and unsubscribes.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import base64
import binascii
import time
from collections.abc import Sequence
from types import MappingProxyType
from typing import Annotated, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import Field, TypeAdapter
from sqlalchemy.ext.asyncio import AsyncConnection

from api.hooks.consents import record_consent
from api.hooks.hook import Event, Hook, Integration, Name, Received, VendorPayload
from api.shapes import Text
from db.repositories import inbound
from db.repositories.inbound import Delivery
from domain.customers import Purpose
from runtime.json import parse_untrusted

SIGNATURE: Final = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP: Final = "X-Twilio-Email-Event-Webhook-Timestamp"
_SOURCE: Final = "sendgrid"
_MESSAGE: Final = "message/"

_FRESH_SECONDS: Final = 30 * 86_400
"""Older calls are replays: SendGrid retries for a day, and we keep event ids for 90 days."""

_STATES: Final = MappingProxyType(
    {
        "processed": "sent",
        "delivered": "delivered",
        "open": "opened",
        "click": "opened",
        "bounce": "bounced",
        "dropped": "failed",
    }
)
_REFUSALS: Final = MappingProxyType(
    {"unsubscribe": "opened", "group_unsubscribe": "opened", "spamreport": "opened"}
)
"""These prove that the e-mail was delivered."""


class _Happened(VendorPayload):
    event: Name
    effect: Name
    timestamp: int
    sg_event_id: Name
    sg_message_id: Annotated[Text, Field(max_length=1000)] = ""


_CALL: Final[TypeAdapter[list[dict[str, Any]]]] = TypeAdapter(list[dict[str, Any]])


class SendGridHook(Hook):
    """Events of e-mails that carry the key of their effect."""

    def verify(self, received: Received, integration: Integration) -> bool:
        """ECDSA over the timestamp and the body, with the key that SendGrid shows in its settings."""
        try:
            key = load_der_public_key(base64.b64decode(integration.secrets["webhook_public_key"]))
            signature = base64.b64decode(received.headers[SIGNATURE])
            signed = received.headers[TIMESTAMP].encode() + received.body
            assert isinstance(key, EllipticCurvePublicKey)
            key.verify(signature, signed, ECDSA(SHA256()))
            age = time.time() - int(received.headers[TIMESTAMP])
        except (KeyError, AssertionError, ValueError, binascii.Error, InvalidSignature):
            return False
        return age < _FRESH_SECONDS

    def events(self, received: Received) -> Sequence[Event]:
        """The events of our own e-mails, by e-mail and then by time: in one order, two calls never deadlock."""
        payload = _CALL.validate_python(parse_untrusted(received.body))
        ours = [_Happened.model_validate(one) for one in payload if _is_ours(one)]
        ours.sort(key=lambda one: (one.effect, one.timestamp, one.sg_event_id))
        return [Event(id=one.sg_event_id, type=one.event, data=one) for one in ours]

    async def apply(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Update the message's state; an unsubscribe or a spam report withdraws the consent to e-mails."""
        delivery = _delivery(event)
        customer_id = await inbound.move_message(conn, integration.business_id, delivery)
        if event.type in _REFUSALS and customer_id is not None:
            await record_consent(
                conn,
                integration.business_id,
                customer_id,
                Purpose.EMAIL,
                granted=False,
                source=_SOURCE,
                said=event.type,
            )


def _is_ours(payload: dict[str, Any]) -> bool:
    return isinstance(payload.get("effect"), str) and payload.get("event") in (*_STATES, *_REFUSALS)


def _delivery(event: Event) -> Delivery:
    payload: _Happened = event.data
    state = (_STATES | _REFUSALS)[event.type]
    return Delivery(
        channel="email",
        state=state,
        key=payload.effect.removeprefix(_MESSAGE),
        # `<X-Message-Id>.<where it was processed>`: sending the e-mail returned the first part
        vendor_ref=payload.sg_message_id.partition(".")[0][:255] or None,
        error=f"{_SOURCE}_{event.type}" if state in ("bounced", "failed") else None,
    )
