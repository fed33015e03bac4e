"""Text messages by Twilio.

https://www.twilio.com/docs/messaging/api/message-resource
"""

import logging
from base64 import b64encode
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
from twilio.base.exceptions import TwilioRestException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports import RecipientOptedOutError, TextMessage
from activities.vendor_calls import Account, Call
from domain.effects import VendorError

BASE_URL: Final = "https://api.twilio.com"
_OPTED_OUT: Final = 21610
"""https://www.twilio.com/docs/api/errors/21610."""
_UNAUTHORIZED: Final = frozenset({20003, 20005, 20006, 20008, 20404})
"""The token or the account is not valid; unknown accounts are "not found"."""
_TEMPORARY: Final = frozenset({20429, 14107, 21611, 30001, 30022})
"""Too many requests, or the number's queue is full."""
_SEARCHED_MESSAGES: Final = 50
_CLOCK_SKEW: Final = timedelta(seconds=5)
_RETRIES: Final = "#rc=5&rp=all"
"""https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: Twilio retries failed callbacks."""
_SILENT: Final = logging.Logger("twilio", level=logging.CRITICAL)
"""The library would log whole requests, including phone numbers."""


class Twilio:
    """Sends texts, with status callbacks to `<public_url>/v1/hooks/twilio/<integration>`.

    Twilio has no idempotency keys and stores nothing of ours with a message but its text. Before a text is sent
    again, it is searched among the last texts to that number: the same text, sent since the first attempt. Two
    equal texts to one number would count as one; ours name the booking and its time.
    """

    def __init__(self, public_url: str, base_url: str = BASE_URL) -> None:
        self._public_url = public_url.rstrip("/")
        self._http = _HttpxClient(base_url)

    async def send(self, call: Call, text: TextMessage) -> str | None:
        """Send it, unless an earlier attempt did; returns its SID.

        Raises:
            RecipientOptedOutError: the recipient has told Twilio to stop.
            VendorError: it could not be sent.
        """
        account = call.account
        client = Client(account.settings["account_sid"], account.secrets["auth_token"], http_client=self._http)
        try:
            if call.may_have_happened and (known := await _look_up(client, call, text)) is not None:
                return known
            await call.confirm()
            sent = await client.messages.create_async(
                to=text.to, body=text.body, status_callback=self._callback(call), **_sender(account)
            )
        except TwilioRestException as refusal:
            raise _error(refusal) from None
        return str(sent.sid)

    def _callback(self, call: Call) -> str:
        path = f"{self._public_url}/v1/hooks/twilio/{call.account.integration_id}"
        return f"{path}?effect={quote(call.key, safe='')}{_RETRIES}"


def _sender(account: Account) -> dict[str, str]:
    if service := account.settings.get("messaging_service_sid"):
        return {"messaging_service_sid": service}
    return {"from_": account.settings["from_number"]}


async def _look_up(client: Client, call: Call, text: TextMessage) -> str | None:
    # Not by the date sent, by which the API can filter: queued messages have none.
    number = call.account.settings.get("from_number")
    query = {"to": text.to} | ({"from_": number} if number else {})
    since = call.first_attempt_at - _CLOCK_SKEW
    limits = {"limit": _SEARCHED_MESSAGES, "page_size": _SEARCHED_MESSAGES}
    for known in await client.messages.list_async(**limits, **query):
        if _is_same(known, text, since):
            return str(known.sid)
    return None


def _is_same(known: Any, text: TextMessage, since: datetime) -> bool:
    # A trial account puts its own words before ours.
    outbound = str(known.direction).startswith("outbound")
    return bool(outbound and known.date_created >= since and (known.body or "").endswith(text.body))


def _error(refusal: TwilioRestException) -> Exception:
    """What Twilio's code means: https://www.twilio.com/docs/api/errors."""
    if refusal.code == _OPTED_OUT:
        return RecipientOptedOutError()
    if refusal.code in _UNAUTHORIZED:
        return VendorError("unauthorized", permanent=True)
    name = f"twilio_{refusal.code}" if refusal.code else f"http_{refusal.status}"
    return VendorError(name, permanent=refusal.code not in _TEMPORARY)


class _HttpxClient(HttpClient):  # type: ignore[misc]
    """httpx under Twilio's own client, with our timeouts and base URL; passes on answers that it understands."""

    def __init__(self, base_url: str) -> None:
        super().__init__(_SILENT, is_async=True)
        self._http = new_client(base_url)

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the signature that the client calls
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request.

        Raises:
            VendorError: no answer came, or one that means the same with all vendors.
        """
        signed = {"Authorization": _basic(*auth)} if auth else {}
        path = urlsplit(uri).path.lstrip("/")
        request = self._http.build_request(
            method, path, params=params, data=data, headers=(headers or {}) | signed
        )
        response = await send(self._http, request)
        if not _is_a_refusal(response):
            raise_for(response)
        return Response(response.status_code, response.text, response.headers)


def _is_a_refusal(response: httpx.Response) -> bool:
    """Whether Twilio's own code says what is wrong with the request."""
    if not response.is_client_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return False
    return str(response.headers.get("Content-Type", "")).startswith("application/json")


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
