"""Twilio's calls: delivery states of texts, and incoming texts that stop or start them.

https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Response
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator

from api.hooks.consents import record_consent
from api.hooks.hook import Event, Hook, Integration, Name, Received, VendorPayload
from api.shapes import Text
from db.repositories import inbound
from db.repositories.inbound import Delivery
from domain.customers import Purpose

SIGNATURE: Final = "X-Twilio-Signature"
_MOST_FIELDS: Final = 200
_SOURCE: Final = "twilio"
_MESSAGE: Final = "message/"
_NOTHING_TO_SAY: Final = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'

_STATES: Final = MappingProxyType(
    {"sent": "sent", "delivered": "delivered", "read": "opened", "undelivered": "failed", "failed": "failed"}
)
_STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
"""https://help.twilio.com/articles/223134027: Twilio itself sends nothing more after one of these."""
_START: Final = frozenset({"START", "YES", "UNSTOP"})


class _Call(VendorPayload):
    sid: Annotated[Text, Field(alias="MessageSid", min_length=1, max_length=200)]
    status: Annotated[Name | None, Field(alias="MessageStatus")] = None
    code: Annotated[Text, Field(alias="ErrorCode", max_length=255)] = ""
    effect: Annotated[Text, Field(max_length=255)] = ""


class _Text(VendorPayload):
    sender: Annotated[Name, Field(alias="From")]
    body: Annotated[str, Field(alias="Body")]
    opt_out: Annotated[str, Field(alias="OptOutType")] = ""


class TwilioHook(Hook):
    """Status callbacks, whose URL names the effect, and texts that come in at the business's number."""

    def verify(self, received: Received, integration: Integration) -> bool:
        """HMAC over the URL and the form: https://www.twilio.com/docs/usage/webhooks/webhooks-security."""
        token, signature = integration.secrets.get("auth_token"), received.headers.get(SIGNATURE)
        if not token or not signature:
            return False
        try:
            form = ImmutableMultiDict(_form(received.body))
        except ValueError:
            return False
        return bool(RequestValidator(token).validate(received.url, form, signature))

    def events(self, received: Received) -> Sequence[Event]:
        """One event: a new status, or a keyword that stops or starts texts. Other texts are ignored."""
        payload = _Call.model_validate(dict(_form(received.body)) | {"effect": received.query.get("effect", "")})
        sid, status = payload.sid, payload.status
        if status is not None:
            return (
                [Event(id=f"{sid}/{status}", type=f"message.{status}", data=payload)] if status in _STATES else []
            )
        text = _Text.model_validate(dict(_form(received.body)))
        word = text.opt_out or text.body.strip().upper()
        if word not in _STOP | _START:
            return []
        return [Event(id=f"{sid}/received", type="stop" if word in _STOP else "start", data=text)]

    async def apply(self, conn: AsyncConnection, integration: Integration, event: Event) -> None:
        """Update the message's state, or record the consent of every customer with this number."""
        if event.type.startswith("message."):
            await inbound.move_message(conn, integration.business_id, _delivery(event.data))
            return
        granted = event.type == "start"
        for customer_id in await inbound.lock_customers_at(conn, integration.business_id, event.data.sender):
            await record_consent(
                conn,
                integration.business_id,
                customer_id,
                Purpose.SMS,
                granted=granted,
                source=f"{_SOURCE}_{event.type}",
                said=event.type.upper(),
            )

    def answer(self) -> Response:
        """TwiML that sends no reply: Twilio answers STOP, START and HELP itself."""
        return Response(_NOTHING_TO_SAY, media_type="text/xml")


def _form(body: bytes) -> list[tuple[str, str]]:
    """Raises ValueError for more fields than Twilio ever sends."""
    return parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)


def _delivery(payload: _Call) -> Delivery:
    assert payload.status is not None
    state = _STATES[payload.status]
    return Delivery(
        channel="sms",
        state=state,
        key=payload.effect.removeprefix(_MESSAGE) or None,
        vendor_ref=payload.sid,
        error=f"{_SOURCE}_{payload.code[:20]}" if payload.code and state == "failed" else None,
    )
