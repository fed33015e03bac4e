"""Meta's Conversions API.

https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event/
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from pydantic import ValidationError

from activities.adapters.vendor_http import new_client, raise_for, retry_after, send
from activities.ports.analytics import Conversion
from activities.ports.vendors import Call
from domain.attribution import meta_email, meta_external_id, meta_names, meta_phone
from domain.effects import ObsoleteError, VendorError
from domain.integrations import MetaSettings

URL: Final = "https://graph.facebook.com"
VERSION: Final = "v26.0"
"""https://developers.facebook.com/docs/graph-api/changelog: a version of the Marketing API must be named."""
_OLDEST: Final = timedelta(days=7)

# https://developers.facebook.com/docs/graph-api/guides/error-handling
_TOO_MANY: Final = frozenset({4, 17, 32, 341, 613})
_TOO_MANY_OF_A_BUSINESS: Final = range(80_000, 80_015)
"""https://developers.facebook.com/docs/graph-api/overview/rate-limiting: 80004 is that of ads and their events."""
_PASSING: Final = frozenset({1, 2})
_NOT_ALLOWED: Final = frozenset({3, 10, 102, 190, *range(200, 300)})


class Meta:
    """A pixel. Of events with the same name and id within 48 hours it counts the first."""

    def __init__(self, base_url: str = URL) -> None:
        self._http = new_client(base_url)

    async def report(self, call: Call, conversion: Conversion) -> str | None:
        """See `Analytics`. Returns the id of the request's trace, which their support asks for.

        Events may lie 7 days back at most.
        """
        if datetime.now(UTC) - conversion.happened_at > _OLDEST:
            raise ObsoleteError("too_late")
        try:
            settings = MetaSettings.model_validate(call.account.settings)
        except ValidationError:
            raise VendorError("invalid_request", permanent=True) from None
        # In the body: an address may be logged by whatever lies between.
        body: dict[str, Any] = {
            "data": [_event(call.key, conversion)],
            "access_token": call.account.secrets["access_token"],
        }
        if settings.test_event_code:
            body["test_event_code"] = settings.test_event_code
        path = f"/{VERSION}/{settings.pixel_id}/events"
        await call.confirm()
        response = await send(self._http, self._http.build_request("POST", path, json=body))
        answer = _object(response)
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
        # A website's event must say which page and browser; what comes without is said to come otherwise.
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
    """Digests, but for what Meta itself has given the browser, and the browser's name."""
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
    """The cookie that a page would have made of the click id when it was opened, as if that was at the booking.

    https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc/
    """
    click = conversion.attribution.fbclid
    return f"fb.1.{int(conversion.booked_at.timestamp() * 1000)}.{click}" if click else None


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _raise_for(response: httpx.Response, error: Any) -> None:
    """Errors are told by the code in the body; the status is 400 for most of them."""
    if response.is_success or not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return raise_for(response)
    code, pause = error["code"], retry_after(response.headers.get("retry-after"))
    if code in _TOO_MANY or code in _TOO_MANY_OF_A_BUSINESS:
        raise VendorError("rate_limited", retry_after=pause)
    if code in _NOT_ALLOWED:
        raise VendorError("unauthorized", permanent=True)
    subcode = error.get("error_subcode")
    name = f"meta_{code}_{subcode}" if isinstance(subcode, int) else f"meta_{code}"
    passing = code in _PASSING or error.get("is_transient") is True or response.is_server_error
    raise VendorError(name, permanent=not passing, retry_after=pause)
