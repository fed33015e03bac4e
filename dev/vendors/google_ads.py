"""Simulated Google Data Manager API, with the OAuth route that issues access tokens.

https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest
"""

import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import Scope

from dev.vendors.base import SimulatedVendor, credentials_of
from dev.vendors.ledger import Json, Ledger

_LASTS_SECONDS: Final = 3599
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_CONSENTS: Final = ("CONSENT_GRANTED", "CONSENT_DENIED")
_SOURCES: Final = ("WEB", "APP", "IN_STORE", "PHONE", "OTHER")
_CLICKS: Final = ("gclid", "gbraid", "wbraid")
_MOST_IDENTIFIERS: Final = 10

Violation = tuple[str, str]
"""The field, and the API's reason."""


class GoogleAds(SimulatedVendor):
    """An account is an OAuth client; refresh tokens that do not begin with `1//` count as revoked.

    An access token contains its client, which identifies the account of a request.
    """

    name = "google_ads"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._converted: set[tuple[str, str, str]] = set()
        self.tokens: set[str] = set()
        """The valid tokens; remove one to have it refused."""
        self.api.post("/token")(self._token)
        self.api.post("/v1/events:ingest")(self._ingest)

    def account_of(self, scope: Scope) -> str:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        return credentials_of(headers.get("authorization")).removeprefix("ya29.").rpartition("~")[0]

    async def _token(self, request: Request) -> JSONResponse:
        form = dict(parse_qsl((await request.body()).decode()))
        client_id = form.get("client_id", "")
        if form.get("grant_type") != "refresh_token":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if not form.get("client_secret", "").startswith("GOCSPX-"):
            return JSONResponse({"error": "invalid_client", "error_description": "Unauthorized"}, 401)
        if not form.get("refresh_token", "").startswith("1//"):
            return JSONResponse({"error": "invalid_grant", "error_description": "Token has been revoked."}, 400)
        token = f"ya29.{client_id}~{secrets.token_urlsafe(8)}"
        self.tokens.add(token)
        self.record(request, "token", key=client_id)
        scope = "https://www.googleapis.com/auth/datamanager"
        answer = {"access_token": token, "expires_in": _LASTS_SECONDS, "scope": scope, "token_type": "Bearer"}
        return JSONResponse(answer)

    async def _ingest(self, request: Request) -> JSONResponse:
        if credentials_of(request.headers.get("authorization")) not in self.tokens:
            return _error(401, "UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED", [])
        body = await request.json()
        violations = list(_violations(body))
        if violations:
            self.record(
                request, "refused", applied=False, detail={"reasons": [reason for _, reason in violations]}
            )
            return _error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", violations)
        for destination in body["destinations"]:
            for event in body["events"]:
                self._record_event(request, destination, event)
        return JSONResponse({"requestId": secrets.token_hex(16)})

    def _record_event(self, request: Request, destination: Json, event: Json) -> None:
        target = (destination["operatingAccount"]["accountId"], destination["productDestinationId"])
        key = str(event.get("transactionId"))
        is_new = (*target, key) not in self._converted
        self._converted.add((*target, key))
        people = event.get("userData", {}).get("userIdentifiers", [])
        detail = {
            "customer_id": target[0],
            "conversion_action": target[1],
            "clicks": sorted(event.get("adIdentifiers", {})),
            "digests": {name: value for one in people for name, value in one.items()},
            "consent": event.get("consent"),
            "value": event.get("conversionValue"),
            "currency": event.get("currency"),
        }
        self.record(request, "conversion", key=key, applied=is_new, detail=detail)


def _violations(body: Json) -> Iterator[Violation]:
    if body.get("encoding") not in ("HEX", "BASE64"):
        yield "encoding", "REQUIRED_FIELD_MISSING"
    for index, destination in enumerate(body.get("destinations") or [{}]):
        yield from _of_destination(f"destinations[{index}]", destination)
    for index, event in enumerate(body.get("events") or [{}]):
        yield from _of_event(f"events[{index}]", event)


def _of_destination(path: str, destination: Json) -> Iterator[Violation]:
    account = destination.get("operatingAccount", {})
    if account.get("accountType") != "GOOGLE_ADS" or not re.fullmatch(r"\d{10}", str(account.get("accountId"))):
        yield f"{path}.operating_account", "INVALID_DESTINATION"
    if not re.fullmatch(r"\d+", str(destination.get("productDestinationId"))):
        yield f"{path}.product_destination_id", "INVALID_CONVERSION_ACTION_ID"


def _of_event(path: str, event: Json) -> Iterator[Violation]:
    if not _is_past(event.get("eventTimestamp")):
        yield f"{path}.event_timestamp", "INVALID_FORMAT"
    if not re.fullmatch(r"[A-Z]{3}", str(event.get("currency"))):
        yield f"{path}.currency", "INVALID_CURRENCY_CODE"
    if event.get("eventSource") not in _SOURCES:
        yield f"{path}.event_source", "INVALID_ENUM_VALUE"
    if any(value not in _CONSENTS for value in event.get("consent", {}).values()):
        yield f"{path}.consent", "INVALID_ENUM_VALUE"
    yield from _of_people(path, event, event.get("userData", {}).get("userIdentifiers", []))


def _of_people(path: str, event: Json, people: list[Json]) -> Iterator[Violation]:
    if not people and not any(event.get("adIdentifiers", {}).get(name) for name in _CLICKS):
        yield path, "NO_IDENTIFIERS_PROVIDED"
    if len(people) > _MOST_IDENTIFIERS:
        yield f"{path}.user_data", "TOO_MANY_USER_IDENTIFIERS"
    for number, one in enumerate(people):
        if not all(_DIGEST.fullmatch(str(value)) for value in one.values()):
            yield f"{path}.user_data.user_identifiers[{number}]", "INVALID_SHA256_FORMAT"


def _is_past(timestamp: Any) -> bool:
    try:
        return datetime.fromisoformat(str(timestamp)) <= datetime.now(UTC)
    except (ValueError, TypeError):
        return False


def _error(status: int, name: str, reason: str, violations: list[Violation]) -> JSONResponse:
    """https://developers.google.com/data-manager/api/devguides/concepts/understand-errors."""
    kind = "type.googleapis.com/google.rpc."
    details: list[Json] = [{"@type": f"{kind}ErrorInfo", "reason": reason, "domain": "datamanager.googleapis.com"}]
    if violations:
        found = [
            {"field": field, "description": f"{field} is not valid.", "reason": why} for field, why in violations
        ]
        details.append({"@type": f"{kind}BadRequest", "fieldViolations": found})
    message = "There was a problem with the request."
    return JSONResponse(
        {"error": {"code": status, "message": message, "status": name, "details": details}}, status
    )
