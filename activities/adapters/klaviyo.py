"""E-mails through Klaviyo: each is an event that triggers one of the business's own flows, which sends the e-mail.

https://developers.klaviyo.com/en/reference/create_event
"""

from typing import Any, Final

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports import Email
from activities.vendor_calls import Call
from runtime.json import to_json

BASE_URL: Final = "https://a.klaviyo.com"
REVISION: Final = "2026-04-15"
"""Supported for two years: https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy."""
_JSON_API: Final = "application/vnd.api+json"


class Klaviyo:
    """Sends events of the metrics `Holdfast Booking Confirmed`, and so on, which trigger flows.

    Klaviyo accepts an event once per `unique_id`, so it may be sent again. Flows cannot attach files, so the
    calendar object is left out.
    """

    def __init__(self, base_url: str = BASE_URL) -> None:
        self._http = new_client(base_url)

    async def send(self, call: Call, mail: Email) -> str | None:
        """Send the event. Returns None: Klaviyo only confirms that it will process it.

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
    """The name of the metric that triggers a flow."""
    return f"Holdfast Booking {kind.replace('_', ' ').title()}"


def _event(call: Call, mail: Email) -> dict[str, Any]:
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
