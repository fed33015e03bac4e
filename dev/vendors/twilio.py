"""Simulated Twilio: text messages, status callbacks and incoming texts.

https://www.twilio.com/docs/messaging/api/message-resource
"""

import base64
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Final
from urllib.parse import parse_qsl, urldefrag, urlencode

from fastapi import Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from twilio.request_validator import RequestValidator

from dev.vendors.base import SimulatedVendor
from dev.vendors.callbacks import Call, CallbackMode, Callbacks
from dev.vendors.ledger import Json, Ledger

_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"})
_START: Final = frozenset({"START", "YES", "UNSTOP"})
_NO_MOBILE: Final = "+15005550009"
"""A number that cannot receive texts: https://www.twilio.com/docs/iam/test-credentials."""
_UNREACHABLE_SUFFIX: Final = "0404"
"""Suffix of numbers whose texts are not delivered."""
_UNREACHABLE: Final = "30003"
_LONGEST: Final = 1600


@dataclass(slots=True)
class _Message:
    sid: str
    account: str
    to: str
    sender: str
    body: str
    callback: str | None
    status: str = "queued"
    error_code: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class Inbound(BaseModel):
    """A text to one of the account's numbers, and the URL that is called."""

    sender: str
    to: str
    body: str
    url: str


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class Twilio(SimulatedVendor):
    """The first token that an account uses is valid for it; every number and service belongs to it.

    PUT /control/callbacks?account=…&mode=…     set how callbacks are sent
    POST /control/release?account=…             send the callbacks that were held back
    POST /control/inbound?account=…             send a text to the account
    """

    name = "twilio"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.callbacks = Callbacks()
        self.messages: list[_Message] = []
        self.tokens: dict[str, str] = {}
        self.opted_out: set[tuple[str, str]] = set()
        """Accounts and numbers."""
        self.api.post("/2010-04-01/Accounts/{sid}/Messages.json")(self._create)
        self.api.get("/2010-04-01/Accounts/{sid}/Messages.json")(self._list)
        self.api.put("/control/callbacks", status_code=204)(self._set_callback_mode)
        self.api.post("/control/release", status_code=204)(self._release)
        self.api.post("/control/inbound", status_code=202)(self.receive)
        self.api.exception_handler(_Refusal)(_refusal)

    # --- the API --------------------------------------------------------------------------------------------

    async def _create(self, request: Request, sid: str) -> JSONResponse:
        self._check(request, sid)
        form = dict(parse_qsl((await request.body()).decode()))
        sender = form.get("From") or form.get("MessagingServiceSid", "")
        to, body = form.get("To", ""), form.get("Body", "")
        message = _Message(f"SM{secrets.token_hex(16)}", sid, to, sender, body, form.get("StatusCallback"))
        self._check_message(message)
        self.messages.append(message)
        self.record(request, "message.create", key=message.sid, detail={"to": to, "body": body})
        for status in ("sent", "undelivered" if to.endswith(_UNREACHABLE_SUFFIX) else "delivered"):
            self._report(message, status)
        return JSONResponse(_shown(message) | {"status": "queued", "error_code": None}, 201)

    async def _list(
        self,
        request: Request,
        sid: str,
        to: Annotated[str | None, Query(alias="To")] = None,
        sender: Annotated[str | None, Query(alias="From")] = None,
        size: Annotated[int, Query(alias="PageSize", le=1000)] = 50,
    ) -> JSONResponse:
        self._check(request, sid)
        self.record(request, "message.list", applied=False)
        found = [
            one
            for one in reversed(self.messages)
            if one.account == sid and to in (None, one.to) and sender in (None, one.sender)
        ]
        uri = f"/2010-04-01/Accounts/{sid}/Messages.json"
        page = {"page": 0, "page_size": size, "uri": uri, "first_page_uri": uri, "next_page_uri": None}
        return JSONResponse({"messages": [_shown(one) for one in found[:size]]} | page)

    def _check(self, request: Request, sid: str) -> None:
        account, token = _basic(request)
        known = self.tokens.setdefault(account, token) if _SID.fullmatch(account) and token else None
        if account != sid or token != known:
            raise _Refusal(401, 20003, "Authenticate")

    def _check_message(self, message: _Message) -> None:
        if not message.to:
            raise _Refusal(400, 21604, "A 'To' phone number is required.")
        if not _E164.fullmatch(message.to):
            raise _Refusal(400, 21211, f"Invalid 'To' Phone Number: {message.to}")
        if message.to == _NO_MOBILE:
            raise _Refusal(400, 21614, f"'To' number is not a valid mobile number: {message.to}")
        if (message.account, message.to) in self.opted_out:
            raise _Refusal(400, 21610, "Attempt to send to unsubscribed recipient")
        if not message.sender:
            raise _Refusal(400, 21603, "A 'From' phone number is required.")
        if not 0 < len(message.body) <= _LONGEST:
            raise _Refusal(400, 21602 if not message.body else 21617, "The message body is missing or too long.")

    # --- callbacks ------------------------------------------------------------------------------------------

    def _report(self, message: _Message, status: str) -> None:
        message.status = status
        message.error_code = _UNREACHABLE if status == "undelivered" else None
        form = {
            "AccountSid": message.account,
            "ApiVersion": "2010-04-01",
            "From": message.sender,
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
            "To": message.to,
        }
        if message.error_code:
            form["ErrorCode"] = message.error_code
        if message.callback:
            self._call(message.account, message.callback, form)

    async def receive(self, account: Annotated[str, Query()], text: Inbound) -> Json:
        """Receive a text to the account; the keywords that stop and start texts have their effect."""
        word = text.body.strip().upper()
        if word in _STOP:
            self.opted_out.add((account, text.sender))
        if word in _START:
            self.opted_out.discard((account, text.sender))
        sid = f"SM{secrets.token_hex(16)}"
        form = {
            "AccountSid": account,
            "ApiVersion": "2010-04-01",
            "Body": text.body,
            "From": text.sender,
            "FromCountry": "US",
            "MessageSid": sid,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": sid,
            "SmsSid": sid,
            "SmsStatus": "received",
            "To": text.to,
        }
        self._call(account, text.url, form)
        return {"sid": sid}

    def _call(self, account: str, url: str, form: dict[str, str]) -> None:
        url = urldefrag(url).url
        signature = RequestValidator(self.tokens.get(account, "")).compute_signature(url, form)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        self.callbacks.send(account, Call(url, urlencode(form).encode(), headers))

    async def _set_callback_mode(self, account: str, mode: CallbackMode) -> None:
        self.callbacks.set_mode(account, mode)

    async def _release(self, account: str) -> None:
        self.callbacks.release(account)


def _basic(request: Request) -> tuple[str, str]:
    """The user and password of the request."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password


async def _refusal(_request: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, _Refusal)
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": f"https://www.twilio.com/docs/errors/{refusal.code}",
        "status": refusal.status,
    }
    return JSONResponse(body, refusal.status)


def _shown(message: _Message) -> Json:
    service = message.sender if message.sender.startswith("MG") else None
    return {
        "account_sid": message.account,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": format_datetime(message.created, usegmt=False),
        "date_sent": format_datetime(message.created) if message.status != "queued" else None,
        "date_updated": format_datetime(message.created),
        "direction": "outbound-api",
        "error_code": message.error_code,
        "error_message": None,
        "from": None if service else message.sender,
        "messaging_service_sid": service,
        "num_media": "0",
        "num_segments": "1",
        "price": None,
        "price_unit": "USD",
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {},
        "to": message.to,
        "uri": f"/2010-04-01/Accounts/{message.account}/Messages/{message.sid}.json",
    }
