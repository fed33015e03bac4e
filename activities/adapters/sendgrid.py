"""E-mails through SendGrid's v3 Mail Send API.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
"""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports import Email
from activities.vendor_calls import Account, Call
from domain.effects import VendorError
from runtime.json import from_json, to_json

BASE_URL: Final = "https://api.sendgrid.com"
_EVENTS_WITHIN: Final = timedelta(minutes=1)
"""The Event Webhook batches for up to 30 seconds; after that we know from it whether an e-mail was sent."""
_LONGEST_PAUSE: Final = timedelta(hours=1)
_UNCERTAIN: Final = ("timeout", "reply_lost")
_NO_ADD_ON: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


class SendGrid:
    """Sends e-mails that carry their effect's key in the custom argument `effect`.

    SendGrid has no idempotency keys. Before an e-mail is sent again, it is searched by that argument in the Email
    Activity API, a paid add-on of the account. Without the add-on, the caller must check what the Event Webhook
    reported meanwhile: after a lost reply the retry waits until those events must have arrived.
    """

    def __init__(self, base_url: str = BASE_URL) -> None:
        self._http = new_client(base_url)

    async def send(self, call: Call, mail: Email) -> str | None:
        """Send it, unless an earlier attempt did; returns `X-Message-Id`, the prefix of its events' message ids.

        Raises:
            VendorError: it could not be sent.
        """
        headers = {"Authorization": f"Bearer {call.account.secrets['api_key']}"}
        if call.may_have_happened and (known := await self._look_up(headers, call.key)) is not None:
            return known
        content = to_json(_body(call, mail))
        request = self._http.build_request(
            "POST", "v3/mail/send", content=content, headers=headers | {"Content-Type": "application/json"}
        )
        await call.confirm()
        try:
            response = await send(self._http, request)
        except VendorError as error:
            if error.code in _UNCERTAIN:
                raise VendorError(error.code, retry_after=_EVENTS_WITHIN) from None
            raise
        _raise_for(response)
        message_id: str | None = response.headers.get("X-Message-Id")
        return message_id

    async def _look_up(self, headers: dict[str, str], key: str) -> str | None:
        # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/getting-started-email-activity-api
        query = {"query": f"(unique_args['effect']=\"{key}\")", "limit": "1"}
        request = self._http.build_request("GET", "v3/messages", params=query, headers=headers)
        response = await send(self._http, request)
        if response.status_code in _NO_ADD_ON:
            return None
        _raise_for(response)
        found = from_json(response.content)["messages"]
        return str(found[0]["msg_id"]).partition(".")[0] if found else None


def _body(call: Call, mail: Email) -> dict[str, Any]:
    account: Account = call.account
    sender = account.settings["sender"]
    body: dict[str, Any] = {
        "personalizations": [{"to": [_person(mail.to, mail.to_name)], "custom_args": {"effect": call.key}}],
        "from": _person(sender, account.settings.get("sender_name") or mail.sender_name),
        "subject": mail.subject,
        "content": [{"type": "text/plain", "value": mail.text}, {"type": "text/html", "value": mail.html}],
        "headers": {
            "Message-ID": f"<{mail.message_id}@{sender.rpartition('@')[2]}>",
            "Auto-Submitted": "auto-generated",  # RFC 3834
        },
        # The links are personal and must not lead through another server.
        "tracking_settings": {"click_tracking": {"enable": False, "enable_text": False}},
    }
    if mail.reply_to:
        body["reply_to"] = {"email": mail.reply_to}
    if mail.calendar:
        body["attachments"] = [_calendar(mail.calendar)]
    return body


def _person(email: str, name: str) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}


def _calendar(content: bytes) -> dict[str, str]:
    # The METHOD is in the object: SendGrid accepts no parameters in a content type.
    return {
        "content": b64encode(content).decode(),
        "type": "text/calendar",
        "filename": "appointment.ics",
        "disposition": "attachment",
    }


def _raise_for(response: httpx.Response) -> None:
    """As for all vendors, except that SendGrid names the time at which its rate limit resets."""
    reset = response.headers.get("X-RateLimit-Reset")
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS and reset and "Retry-After" not in response.headers:
        raise VendorError("rate_limited", retry_after=_until(reset))
    raise_for(response)


def _until(reset: str) -> timedelta | None:
    try:
        wait = datetime.fromtimestamp(float(reset), UTC) - datetime.now(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(wait, timedelta()), _LONGEST_PAUSE)
