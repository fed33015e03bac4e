"""Google Ads conversions, through the Data Manager API.

https://developers.google.com/data-manager/api/devguides/events/google-ads/offline
The Google Ads API's own `uploadClickConversions` has accepted no new users since 15 June 2026:
https://developers.google.com/ads/blog/posts/2026/05/changes-to-offline-click-conversion
A person's refresh token gives access: https://developers.google.com/identity/protocols/oauth2/web-server#offline
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
from pydantic import ValidationError

from activities.adapters.oauth import AccessToken, AccessTokens
from activities.adapters.vendor_http import json_object, new_client, raise_for, retry_after, send
from activities.ports import Conversion
from activities.vendor_calls import Account, Call
from domain.attribution import Attribution, google_email, google_phone
from domain.effects import ObsoleteError, VendorError
from domain.integrations import GoogleAdsSettings

URL: Final = "https://datamanager.googleapis.com"
OAUTH_URL: Final = "https://oauth2.googleapis.com"
_OLDEST: Final = timedelta(days=90)
"""The longest conversion window that an account can set."""
_REASON: Final = re.compile(r"[A-Z][A-Z0-9_]{2,79}")
"""An error constant: https://developers.google.com/data-manager/api/devguides/concepts/understand-errors"""


class GoogleAds:
    """An account's conversion action. Google counts the first conversion per transaction id.

    https://support.google.com/google-ads/answer/6386790
    """

    def __init__(self, base_url: str = URL, oauth_url: str = OAUTH_URL) -> None:
        self._http = new_client(base_url)
        self._tokens = AccessTokens(oauth_url, "/token")

    async def report(self, call: Call, conversion: Conversion) -> str | None:
        """See `Analytics`. Returns the request id, by which Google reports how the request was processed."""
        if datetime.now(UTC) - conversion.happened_at > _OLDEST:
            raise ObsoleteError("too_late")
        try:
            body = _body(GoogleAdsSettings.model_validate(call.account.settings), conversion)
        except ValidationError:
            raise VendorError("invalid_request", permanent=True) from None
        token = await self._tokens.get(_grant(call.account))
        response = await self._post(call, token, body)
        if response.status_code == httpx.codes.UNAUTHORIZED:  # revoked early: once more with a fresh token
            token = await self._tokens.get(_grant(call.account), instead_of=token)
            response = await self._post(call, token, body)
        answer = json_object(response)
        _raise_for(response, answer.get("error"))
        request_id = answer.get("requestId")
        return request_id[:255] if isinstance(request_id, str) else None

    async def _post(self, call: Call, token: AccessToken, body: Mapping[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token.value}"}
        request = self._http.build_request("POST", "/v1/events:ingest", json=body, headers=headers)
        await call.confirm()
        return await send(self._http, request)


def _grant(account: Account) -> dict[str, str]:
    names = ("client_id", "client_secret", "refresh_token")
    return {"grant_type": "refresh_token"} | {name: account.secrets[name] for name in names}


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
    """The click's one id: `gclid`, or one of the others where the browser does not allow that."""
    found = {"gclid": known.gclid, "gbraid": known.gbraid, "wbraid": known.wbraid}
    return dict([(name, value) for name, value in found.items() if value][:1])


def _identifiers(conversion: Conversion) -> list[dict[str, str]]:
    people = []
    if conversion.email:
        people.append({"emailAddress": google_email(conversion.email)})
    if conversion.phone:
        people.append({"phoneNumber": google_phone(conversion.phone)})
    return people


def _raise_for(response: httpx.Response, error: Any) -> None:
    """Raise with the API's own error constant, where there is one."""
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
    for found in (*violations, *details):  # a field's reason is more specific
        reason = found.get("reason") if isinstance(found, dict) else None
        if isinstance(reason, str) and _REASON.fullmatch(reason):
            return reason.lower()
    return None


def _violations(detail: Any) -> list[Any]:
    found = detail.get("fieldViolations") if isinstance(detail, dict) else None
    return found if isinstance(found, list) else []
