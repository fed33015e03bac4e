"""Meta's Conversions API.

https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event/
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from pydantic import ValidationError

from activities.adapters.vendor_http import json_object, new_client, raise_for, retry_after, send
from activities.ports import Conversion
from activities.vendor_calls import Call
from domain.attribution import meta_email, meta_external_id, meta_names, meta_phone
from domain.effects import ObsoleteError, VendorError
from domain.integrations import MetaSettings

URL: Final = "https://graph.facebook.com"
VERSION: Final = "v26.0"
"""https://developers.facebook.com/docs/graph-api/changelog: the Marketing API needs a version."""
_OLDEST: Final = timedelta(days=7)

# https://developers.facebook.com/docs/graph-api/guides/error-handling
_TOO_MANY: Final = frozenset({4, 17, 32, 341, 613})
_TOO_MANY_OF_A_BUSINESS: Final = range(80_000, 80_015)
"""https://developers.facebook.com/docs/graph-api/overview/rate-limiting: 80004 is for ads and their events."""
_TEMPORARY: Final = frozenset({1, 2})
_NOT_ALLOWED: Final = frozenset({3, 10, 102, 190, *range(200, 300)})


class Meta:
    """A pixel. Within 48 hours, Meta counts the first event per name and id."""

    def __init__(self, base_url: str = URL) -> None:
        self._http = new_client(base_url)

    async def report(self, call: Call, conversion: Conversion) -> str | None:
        """See `Analytics`. Returns the request's trace id, which Meta's support asks for.

        Events may be at most 7 days old.
        """
        if datetime.now(UTC) - conversion.happened_at > _OLDEST:
            raise ObsoleteError("too_late")
        try:
            settings = MetaSettings.model_validate(call.account.settings)
        except ValidationError:
            raise VendorError("invalid_request", permanent=True) from None
        # In the body: proxies on the way may log a URL.
        body: dict[str, Any] = {
            "data": [_event(call.key, conversion)],
            "access_token": call.account.secrets["access_token"],
        }
        if settings.test_event_code:
            body["test_event_code"] = settings.test_event_code
        path = f"/{VERSION}/{settings.pixel_id}/events"
        await call.confirm()
        response = await send(self._http, self._http.build_request("POST", path, json=body))
        answer = json_object(response)
        _raise_for(response, answer.get("error"))
        trace = answer.get("fbtrace_id")
        return trace[:255] if isinstance(trace, str) else None


def _event(key: str, conversion: Conversion) -> dict[str, Any]:
    known = conversion.attribution
    by_browser = known.user_agent is not None and known.landing_page is not None
    event = {
        "event_name": "Schedule",
        "event_time": int(conversion.happened_at.timestamp()),
        "event_id": key,
        # A website event must name the page and the browser.
        "action_source": "website" if by_browser else "other",
        "opt_out": not conversion.may_personalise,
        "user_data": _user_data(conversion),
        "custom_data": {
            "value": float(conversion.value),
            "currency": conversion.currency,
            "order_id": conversion.reference,
        },
    }
    return event | ({"event_source_url": known.landing_page} if by_browser else {})


def _user_data(conversion: Conversion) -> dict[str, Any]:
    """Digests, except for ids that Meta itself gave to the browser, and the browser's user agent."""
    known, names = conversion.attribution, meta_names(conversion.name)
    data = {
        "external_id": [meta_external_id(conversion.customer_id)],
        "em": [meta_email(conversion.email)] if conversion.email else None,
        "ph": [meta_phone(conversion.phone)] if conversion.phone else None,
        "fn": [names[0]] if names else None,
        "ln": [names[1]] if names else None,
        "fbc": known.fbc or _fbc(conversion),
        "fbp": known.fbp,
        "client_user_agent": known.user_agent,
    }
    return {name: value for name, value in data.items() if value is not None}


def _fbc(conversion: Conversion) -> str | None:
    """The cookie that a page makes of the click id when it opens; the booking's time stands in for that moment.

    https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc/
    """
    click = conversion.attribution.fbclid
    return f"fb.1.{int(conversion.booked_at.timestamp() * 1000)}.{click}" if click else None


def _raise_for(response: httpx.Response, error: Any) -> None:
    """Errors are distinguished by the code in the body; most have status 400."""
    if response.is_success or not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return raise_for(response)
    code, pause = error["code"], retry_after(response.headers.get("retry-after"))
    if code in _TOO_MANY or code in _TOO_MANY_OF_A_BUSINESS:
        raise VendorError("rate_limited", retry_after=pause)
    if code in _NOT_ALLOWED:
        raise VendorError("unauthorized", permanent=True)
    subcode = error.get("error_subcode")
    name = f"meta_{code}_{subcode}" if isinstance(subcode, int) else f"meta_{code}"
    temporary = code in _TEMPORARY or error.get("is_transient") is True or response.is_server_error
    raise VendorError(name, permanent=not temporary, retry_after=pause)
