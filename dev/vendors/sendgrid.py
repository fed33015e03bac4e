"""Simulated SendGrid: Mail Send, the Email Activity API, and signed event webhooks.

https://www.twilio.com/docs/sendgrid/api-reference
"""

import base64
import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from dev.vendors.base import SimulatedVendor
from dev.vendors.callbacks import Call, CallbackMode, Callbacks
from dev.vendors.ledger import Json, Ledger
from dev.vendors.sendgrid_models import MailSend

_KEY: Final = re.compile(r"SG\.[A-Za-z0-9_.-]+")
_BY_ARGUMENT: Final = re.compile(r"\(?unique_args\['([^']+)'\]=\"([^\"]*)\"\)?")
_BOUNCES_AT: Final = "bounce."
"""Prefix of domains whose mails bounce."""
_STATUSES: Final = {"delivered": "delivered", "bounce": "not_delivered", "dropped": "not_delivered"}


@dataclass(slots=True)
class _Sent:
    account: str
    message_id: str
    to: str
    sender: str
    subject: str
    arguments: dict[str, str]
    status: str = "processed"


@dataclass(slots=True)
class _Webhook:
    key: Any = field(default_factory=lambda: generate_private_key(SECP256R1()))
    url: str | None = None


class EventSettings(BaseModel):
    """The URL of an account's events."""

    enabled: bool = True
    url: str


class EmailEvent(BaseModel):
    """Something that happens to a sent e-mail."""

    event: str
    """`open`, `unsubscribe`, `spamreport`, `bounce`, …"""
    effect: str
    """The custom argument of the e-mail."""


class SendGrid(SimulatedVendor):
    """An account is an API key, which begins with `SG.`.

    PUT /control/callbacks?account=…&mode=…     set how events are sent
    POST /control/release?account=…             send the events that were held back
    POST /control/events?account=…              add an event to an e-mail
    """

    name = "sendgrid"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.callbacks = Callbacks()
        self.sent: list[_Sent] = []
        self.without_activity: set[str] = set()
        """Accounts without the Email Activity API."""
        self._webhooks: dict[str, _Webhook] = {}
        self.api.post("/v3/mail/send")(self._send)
        self.api.get("/v3/messages")(self._messages)
        self.api.patch("/v3/user/webhooks/event/settings")(self._set_webhook)
        self.api.get("/v3/user/webhooks/event/settings/signed")(self._public_key)
        self.api.put("/control/callbacks", status_code=204)(self._set_callback_mode)
        self.api.post("/control/release", status_code=204)(self._release)
        self.api.post("/control/events", status_code=202)(self.add_event)

    def public_key(self, account: str) -> str:
        """The public key of an account's event signatures: DER in Base64."""
        public = self._webhook(account).key.public_key()
        return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    def set_webhook(self, account: str, url: str) -> None:
        """Send an account's events to a URL."""
        self._webhook(account).url = url

    def _webhook(self, account: str) -> _Webhook:
        return self._webhooks.setdefault(account, _Webhook())

    # --- the API --------------------------------------------------------------------------------------------

    async def _send(self, request: Request) -> Response:
        account = self.account_of(request.scope)
        if not _KEY.fullmatch(account):
            return _unauthorized()
        try:
            mail = MailSend.model_validate(await request.json())
        except (ValidationError, json.JSONDecodeError) as error:
            return _invalid(error)
        message_id = secrets.token_urlsafe(16).replace(".", "")
        for personalization in mail.personalizations:
            arguments = mail.custom_args | personalization.custom_args
            for person in personalization.to:
                sent = _Sent(account, message_id, person.email, mail.sender.email, mail.subject, arguments)
                self._record(request, sent, mail)
        return Response(status_code=202, headers={"X-Message-Id": message_id})

    def _record(self, request: Request, sent: _Sent, mail: MailSend) -> None:
        self.sent.append(sent)
        detail: dict[str, Any] = {"to": sent.to, "subject": sent.subject, "message_id": sent.message_id}
        detail["text"] = next((one.value for one in mail.content if one.type == "text/plain"), "")
        detail["ics"] = any(one.type.startswith("text/calendar") for one in mail.attachments)
        self.record(request, "mail.send", key=sent.arguments.get("effect"), detail=detail)
        self._send_event(sent, "processed")
        self._send_event(sent, "bounce" if sent.to.partition("@")[2].startswith(_BOUNCES_AT) else "delivered")

    async def _messages(self, request: Request, query: str = "", limit: int = 10) -> Response:
        account = self.account_of(request.scope)
        if not _KEY.fullmatch(account):
            return _unauthorized()
        if account in self.without_activity:
            return JSONResponse({"errors": [{"message": "access forbidden", "field": None}]}, 403)
        asked = _BY_ARGUMENT.fullmatch(query)
        if asked is None:
            return JSONResponse({"errors": [{"message": "invalid query", "field": "query"}]}, 400)
        found = [one for one in self.sent if one.account == account and one.arguments.get(asked[1]) == asked[2]]
        self.record(request, "messages.list", key=asked[2], applied=False)
        return JSONResponse({"messages": [_shown(one) for one in found[:limit]]})

    async def _set_webhook(self, request: Request, settings: EventSettings) -> Response:
        account = self.account_of(request.scope)
        if not _KEY.fullmatch(account):
            return _unauthorized()
        self._webhook(account).url = settings.url if settings.enabled else None
        return JSONResponse(settings.model_dump())

    async def _public_key(self, request: Request) -> Response:
        account = self.account_of(request.scope)
        return (
            JSONResponse({"public_key": self.public_key(account)}) if _KEY.fullmatch(account) else _unauthorized()
        )

    # --- events ---------------------------------------------------------------------------------------------

    async def add_event(self, account: Annotated[str, Query()], event: EmailEvent) -> Json:
        """Add an event to every e-mail with this custom argument."""
        found = [
            one for one in self.sent if one.account == account and one.arguments.get("effect") == event.effect
        ]
        for sent in found:
            self._send_event(sent, event.event)
        return {"events": len(found)}

    async def _set_callback_mode(self, account: str, mode: CallbackMode) -> None:
        self.callbacks.set_mode(account, mode)

    async def _release(self, account: str) -> None:
        self.callbacks.release(account)

    def _send_event(self, sent: _Sent, event: str) -> None:
        sent.status = _STATUSES.get(event, sent.status)
        webhook = self._webhook(sent.account)
        if webhook.url is None:
            return
        body = json.dumps([_event(sent, event)]).encode()
        self.callbacks.send(sent.account, Call(webhook.url, body, _signed(webhook, body)))


def _signed(webhook: _Webhook, body: bytes) -> dict[str, str]:
    """The headers of a Signed Event Webhook."""
    timestamp = str(int(time.time()))
    signature = webhook.key.sign(timestamp.encode() + body, ECDSA(SHA256()))
    return {
        "Content-Type": "application/json",
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
    }


def _event(sent: _Sent, event: str) -> Json:
    return sent.arguments | {
        "email": sent.to,
        "timestamp": int(time.time()),
        "event": event,
        "sg_event_id": secrets.token_urlsafe(16),
        "sg_message_id": f"{sent.message_id}.recvd-5d4b9c-1-66A1B2C3-4.0",
        "smtp-id": f"<{sent.message_id}@geopod-ismtpd-1>",
    }


def _shown(sent: _Sent) -> Json:
    return {
        "from_email": sent.sender,
        "msg_id": f"{sent.message_id}.recvd-5d4b9c-1-66A1B2C3-4.0",
        "subject": sent.subject,
        "to_email": sent.to,
        "status": sent.status,
        "opens_count": 0,
        "clicks_count": 0,
    }


def _unauthorized() -> Response:
    message = "The provided authorization grant is invalid, expired, or revoked"
    return JSONResponse({"errors": [{"field": None, "message": message}]}, 401)


def _invalid(error: Exception) -> Response:
    found = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "Bad Request"}
    place = ".".join(str(part) for part in found["loc"]) or None
    return JSONResponse({"errors": [{"message": found["msg"], "field": place, "help": None}]}, 400)
