"""Text messages by Twilio.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from activities.adapters.twilio_http import TwilioHttp
from activities.ports.texts import RecipientOptedOutError, Text
from activities.ports.vendors import Account, Call
from domain.effects import VendorError

BASE_URL: Final = "https://api.twilio.com"
_OPTED_OUT: Final = 21610
"""https://www.twilio.com/docs/api/errors/21610."""
_UNAUTHORIZED: Final = frozenset({20003, 20005, 20006, 20008, 20404})
"""A token or an account that is not valid: also unknown accounts are "not found"."""
_MAY_PASS: Final = frozenset({20429, 14107, 21611, 30001, 30022})
"""Too many requests, or the queue of the number is full."""
_LOOK_AT: Final = 50
_CLOCKS_DIFFER: Final = timedelta(seconds=5)
_RETRIES: Final = "#rc=5&rp=all"
"""https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: have a call that fails made again."""


class Twilio:
    """Sends texts, and has their states reported to `<public_url>/v1/hooks/twilio/<integration>`.

    Twilio knows no idempotency keys and keeps nothing of ours with a message but its words. Before a text is sent
    again it is looked for among the last texts to that number: the same words, since the first attempt. Two texts
    of the same words to one number would be taken for one; ours name the booking and its time.
    """

    def __init__(self, public_url: str, base_url: str = BASE_URL) -> None:
        self._public_url = public_url.rstrip("/")
        self._http = TwilioHttp(base_url)

    async def send(self, call: Call, text: Text) -> str | None:
        """Send it, or find that it was sent; its SID.

        Raises:
            RecipientOptedOutError: they have told Twilio to stop.
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


async def _look_up(client: Client, call: Call, text: Text) -> str | None:
    # Not by the day on which they were sent, as the API can: what is still queued has none.
    number = call.account.settings.get("from_number")
    asked = {"to": text.to} | ({"from_": number} if number else {})
    since = call.first_attempt_at - _CLOCKS_DIFFER
    for known in await client.messages.list_async(limit=_LOOK_AT, page_size=_LOOK_AT, **asked):
        if _is_it(known, text, since):
            return str(known.sid)
    return None


def _is_it(known: Any, text: Text, since: datetime) -> bool:
    # A trial account puts words of its own before ours.
    outbound = str(known.direction).startswith("outbound")
    return bool(outbound and known.date_created >= since and (known.body or "").endswith(text.body))


def _error(refusal: TwilioRestException) -> Exception:
    """What Twilio's code means: https://www.twilio.com/docs/api/errors."""
    if refusal.code == _OPTED_OUT:
        return RecipientOptedOutError()
    if refusal.code in _UNAUTHORIZED:
        return VendorError("unauthorized", permanent=True)
    name = f"twilio_{refusal.code}" if refusal.code else f"http_{refusal.status}"
    return VendorError(name, permanent=refusal.code not in _MAY_PASS)
