"""Simulated Meta Conversions API: events of a pixel, deduplicated by name and id.

https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api
"""

import re
import secrets
import time
from collections.abc import Iterator
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.types import Scope

from dev.vendors.base import SimulatedVendor
from dev.vendors.ledger import Json, Ledger

_OLDEST_SECONDS: Final = 7 * 86_400
_SAME_SECONDS: Final = 48 * 3600
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_HASHED: Final = ("em", "ph", "fn", "ln", "external_id")
_SOURCES: Final = frozenset(
    {
        *("email", "website", "app", "phone_call", "chat"),
        *("physical_store", "system_generated", "business_messaging", "other"),
    }
)
_BY_BROWSER: Final = ("event_source_url", "client_user_agent")


class Meta(SimulatedVendor):
    """An account is a pixel; valid access tokens begin with `EAA`."""

    name = "meta"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._seen: dict[tuple[str, str, str], float] = {}
        self.api.post("/{version}/{pixel_id}/events")(self._events)

    def account_of(self, scope: Scope) -> str:
        found = re.search(r"/v\d+\.\d/(\d+)/events", str(scope["path"]))
        return found[1] if found else ""

    async def _events(self, request: Request, version: str, pixel_id: str) -> JSONResponse:
        body = await _body(request)
        if not str(body.get("access_token") or request.query_params.get("access_token")).startswith("EAA"):
            return _error(400, 190, "OAuthException", "Invalid OAuth access token - Cannot parse access token")
        events: list[Json] = body.get("data") or []
        wrong = list(_wrong(events)) if events else ["data"]
        if wrong:
            self.record(request, "refused", applied=False, detail={"wrong": wrong})
            subcode = 2804003 if wrong == ["event_time"] else 2804019
            return _error(400, 100, "OAuthException", "Invalid parameter", subcode)
        for event in events:
            self._record_event(request, pixel_id, event)
        return JSONResponse({"events_received": len(events), "messages": [], "fbtrace_id": _trace()})

    def _record_event(self, request: Request, pixel_id: str, event: Json) -> None:
        name, key, now = event["event_name"], str(event.get("event_id")), time.time()
        last = self._seen.get((pixel_id, name, key))
        is_new = last is None or now - last > _SAME_SECONDS
        if is_new:
            self._seen[pixel_id, name, key] = now
        people = event["user_data"]
        detail = {
            "known_by": sorted(people),
            "digests": {field: people[field] for field in _HASHED if field in people},
            "action_source": event["action_source"],
            "opt_out": event.get("opt_out"),
            "custom_data": event.get("custom_data"),
        }
        self.record(request, name, key=key, applied=is_new, detail=detail)


async def _body(request: Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _wrong(events: list[Any]) -> Iterator[str]:
    """The members that are not as documented."""
    now = time.time()
    for event in events:
        if not event.get("event_name"):
            yield "event_name"
        at = event.get("event_time")
        if not isinstance(at, int) or not now - _OLDEST_SECONDS <= at <= now + 60:
            yield "event_time"
        if event.get("action_source") not in _SOURCES:
            yield "action_source"
        people = event.get("user_data") or {}
        if not people:
            yield "user_data"
        yield from (name for name in _HASHED if not all(map(_DIGEST.fullmatch, people.get(name, []))))
        if event.get("action_source") == "website":
            yield from (name for name in _BY_BROWSER if name not in (event | people))
        if not {"value", "currency"} <= (event.get("custom_data") or {}).keys():
            yield "custom_data"


def _trace() -> str:
    return secrets.token_urlsafe(8)


def _error(status: int, code: int, kind: str, message: str, subcode: int | None = None) -> JSONResponse:
    """https://developers.facebook.com/docs/graph-api/guides/error-handling."""
    error: Json = {"message": message, "type": kind, "code": code, "fbtrace_id": _trace()}
    if subcode is not None:
        error["error_subcode"] = subcode
    return JSONResponse({"error": error}, status)
