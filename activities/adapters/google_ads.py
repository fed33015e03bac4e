"""Conversions of Google Ads, by the Data Manager API.

https://developers.google.com/data-manager/api/devguides/events/google-ads/offline
The Google Ads API's own `uploadClickConversions` takes no new users since 15 June 2026:
https://developers.google.com/ads/blog/posts/2026/05/changes-to-offline-click-conversion
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from pydantic import ValidationError

from activities.adapters.google_tokens import OAUTH_URL, GoogleTokens
from activities.adapters.vendor_http import new_client, raise_for, retry_after, send
from activities.ports.analytics import Conversion
from activities.ports.vendors import Call
from domain.attribution import Attribution, google_email, google_phone
from domain.effects import ObsoleteError, VendorError
from domain.integrations import GoogleAdsSettings

URL: Final = "https://datamanager.googleapis.com"
_OLDEST: Final = timedelta(days=90)
"""The longest time between a click and its conversion that an account can set."""
_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{2,79}")
"""A constant of the API's, never a text: https://developers.google.com/data-manager/api/devguides/concepts/understand-errors"""


class GoogleAds:
    """An account's conversion action. Of conversions with the same transaction id it counts the first.

    https://support.google.com/google-ads/answer/6386790
    """

    def __init__(self, base_url: str = URL, oauth_url: str = OAUTH_URL) -> None:
        self._http = new_client(base_url)
        self._tokens = GoogleTokens(oauth_url)

    async def report(self, call: Call, conversion: Conversion) -> str | None:
        """See `Analytics`. Returns the id of the request, by which Google tells how it was processed."""
        if datetime.now(UTC) - conversion.happened_at > _OLDEST:
            raise ObsoleteError("too_late")
        try:
            body = _body(GoogleAdsSettings.model_validate(call.account.settings), conversion)
        except ValidationError:
            raise VendorError("invalid_request", permanent=True) from None
        response = await self._post(call, body)
        if response.status_code == httpx.codes.UNAUTHORIZED:  # revoked before its time: once more with another
            self._tokens.forget(call.account)
            response = await self._post(call, body)
        answer = _object(response)
        _raise_for(response, answer.get("error"))
        request_id = answer.get("requestId")
        return request_id[:255] if isinstance(request_id, str) else None

    async def _post(self, call: Call, body: Mapping[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self._tokens.token(call.account)}"}
        request = self._http.build_request("POST", "/v1/events:ingest", json=body, headers=headers)
        await call.confirm()
        return await send(self._http, request)


def _body(settings: GoogleAdsSettings, conversion: Conversion) -> dict[str, Any]:
    destination = {
        "operatingAccount": _account(settings.customer_id),
        "productDestinationId": settings.conversion_action,
    }
    if settings.login_customer_id:
        destination["loginAccount"] = _account(settings.login_customer_id)
    return {"destinations": [destination], "encoding": "HEX", "events": [_event(conversion)]}


def _account(customer_id: str) -> dict[str, str]:
    return {"accountType": "GOOGLE_ADS", "accountId": customer_id}


def _event(conversion: Conversion) -> dict[str, Any]:
    click, people = _click(conversion.attribution), _identifiers(conversion)
    if not click and not people:
        raise ObsoleteError("no_click")
    event: dict[str, Any] = {
        "transactionId": conversion.reference,
        "eventTimestamp": conversion.happened_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "eventSource": "WEB" if click else "OTHER",
        "currency": conversion.currency,
        "conversionValue": float(conversion.value),
        "consent": {
            "adUserData": "CONSENT_GRANTED",
            "adPersonalization": "CONSENT_GRANTED" if conversion.may_personalise else "CONSENT_DENIED",
        },
    }
    if click:
        event["adIdentifiers"] = click
    if people:
        event["userData"] = {"userIdentifiers": people}
    return event


def _click(known: Attribution) -> dict[str, str]:
    """The one id of the click: a browser has `gclid`, or one of the others where that is not allowed."""
    found = {"gclid": known.gclid, "gbraid": known.gbraid, "wbraid": known.wbraid}
    return dict([(name, value) for name, value in found.items() if value][:1])


def _identifiers(conversion: Conversion) -> list[dict[str, str]]:
    people = []
    if conversion.email:
        people.append({"emailAddress": google_email(conversion.email)})
    if conversion.phone:
        people.append({"phoneNumber": google_phone(conversion.phone)})
    return people


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _raise_for(response: httpx.Response, error: Any) -> None:
    """Say what is wrong by the API's own constant, where it names one."""
    status = response.status_code
    refused = status in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND)
    reason = _reason(error) if refused else None
    if reason is None:
        return raise_for(response)
    pause = retry_after(response.headers.get("retry-after"))
    raise VendorError(reason, permanent=True, retry_after=pause)


def _reason(error: Any) -> str | None:
    details = error.get("details") if isinstance(error, dict) else None
    if not isinstance(details, list):
        return None
    violations = [violation for detail in details for violation in _violations(detail)]
    for told in (*violations, *details):  # a field's reason says more than that of the whole
        reason = told.get("reason") if isinstance(told, dict) else None
        if isinstance(reason, str) and _REASON.fullmatch(reason):
            return reason.lower()
    return None


def _violations(detail: Any) -> list[Any]:
    found = detail.get("fieldViolations") if isinstance(detail, dict) else None
    return found if isinstance(found, list) else []
