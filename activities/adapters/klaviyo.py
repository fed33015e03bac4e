"""E-mails by Klaviyo: each is an event, and a flow of the business's own at Klaviyo sends the e-mail.

https://developers.klaviyo.com/en/reference/create_event
"""

from typing import Any, Final

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports.mail import Mail
from activities.ports.vendors import Call
from runtime.json import to_json

BASE_URL: Final = "https://a.klaviyo.com"
REVISION: Final = "2026-04-15"
"""Each is kept for two years: https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy."""
_JSON_API: Final = "application/vnd.api+json"


class Klaviyo:
    """Sends events whose flows send e-mails: the metric `Holdfast Booking Confirmed`, and so on.

    An event is taken once by its `unique_id`, so it may be sent again. Flows cannot attach files: the calendar
    object stays behind.
    """

    def __init__(self, base_url: str = BASE_URL) -> None:
        self._http = new_client(base_url)

    async def send(self, call: Call, mail: Mail) -> str | None:
        """Send the event; nothing, for Klaviyo only says that it will look at it.

        Raises:
            VendorError: it could not be sent.
        """
        headers = {
            "Authorization": f"Klaviyo-API-Key {call.account.secrets['api_key']}",
            "Revision": REVISION,
            "Accept": _JSON_API,
            "Content-Type": _JSON_API,
        }
        content = to_json(_event(call, mail))
        await call.confirm()
        response = await send(
            self._http, self._http.build_request("POST", "api/events", content=content, headers=headers)
        )
        raise_for(response)
        return None


def metric_of(kind: str) -> str:
    """The name of the metric that a flow is begun by."""
    return f"Holdfast Booking {kind.replace('_', ' ').title()}"


def _event(call: Call, mail: Mail) -> dict[str, Any]:
    profile: dict[str, Any] = {"email": mail.to}
    if mail.to_name:
        profile["first_name"] = mail.to_name
    properties = {
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
        "business": mail.sender_name,
        "reply_to": mail.reply_to,
    }
    return {
        "data": {
            "type": "event",
            "attributes": {
                "unique_id": call.key,
                "metric": {"data": {"type": "metric", "attributes": {"name": metric_of(mail.kind)}}},
                "profile": {"data": {"type": "profile", "attributes": profile}},
                "properties": {name: value for name, value in properties.items() if value is not None},
            },
        }
    }
