"""Simulated Google Analytics 4: accepts every event of the Measurement Protocol without an error.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/validating-events
Events that the validation server would reject are recorded as not applied, as a real property ignores them.
"""

import re
import time
from collections.abc import Iterator
from typing import Any, Final

from fastapi import Request, Response
from starlette.datastructures import QueryParams
from starlette.types import Scope

from dev.vendors.base import SimulatedVendor
from dev.vendors.ledger import Json, Ledger

_MOST_BYTES: Final = 130_000
_OLDEST_SECONDS: Final = 72 * 3600
_MICROS: Final = 1_000_000
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


class Ga4(SimulatedVendor):
    """An account is an API secret; `purchase` counts once per transaction id and stream."""

    name = "ga4"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._bought: set[tuple[str, str]] = set()
        self.api.post("/mp/collect", status_code=204)(self._collect)
        self.api.post("/debug/mp/collect")(self._validate)

    def account_of(self, scope: Scope) -> str:
        return QueryParams(scope["query_string"]).get("api_secret", "")

    async def _collect(self, request: Request) -> Response:
        body = await _body(request)
        problems = list(_problems(request, body))
        for event in body.get("events", []) if isinstance(body, dict) else []:
            self._record_event(request, event, body, problems)
        return Response(status_code=204)

    async def _validate(self, request: Request) -> Json:
        """The validation server: the same rules, but nothing is stored."""
        return {"validationMessages": list(_problems(request, await _body(request)))}

    def _record_event(self, request: Request, event: Json, body: Json, problems: list[Json]) -> None:
        params = event.get("params", {})
        stream, transaction = request.query_params["measurement_id"], str(params.get("transaction_id"))
        is_new = (stream, transaction) not in self._bought
        applied = not problems and is_new
        if applied:
            self._bought.add((stream, transaction))
        detail = {
            "stream": stream,
            "value": params.get("value"),
            "currency": params.get("currency"),
            "client_id": body.get("client_id"),
            "consent": body.get("consent"),
            "problems": [problem["fieldPath"] for problem in problems],
        }
        self.record(request, str(event.get("name")), key=transaction, applied=applied, detail=detail)


async def _body(request: Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        return None


def _problem(path: str, code: str = "VALUE_INVALID") -> Json:
    return {"fieldPath": path, "description": f"{path} is not as documented.", "validationCode": code}


def _problems(request: Request, body: Any) -> Iterator[Json]:
    if not request.query_params.get("api_secret"):
        yield _problem("api_secret", "VALUE_REQUIRED")
    if not re.fullmatch(r"G-[A-Z0-9]+", request.query_params.get("measurement_id", "")):
        yield _problem("measurement_id")
    if int(request.headers.get("content-length", 0)) >= _MOST_BYTES:
        yield _problem("body", "EXCEEDED_MAX_ENTITIES")
    if not isinstance(body, dict):
        yield _problem("body")
        return
    if not re.fullmatch(r"\d+\.\d+", str(body.get("client_id", ""))):
        yield _problem("client_id")
    yield from _problems_of_time(body.get("timestamp_micros"))
    yield from _problems_of_consent(body.get("consent", {}))
    for event in body.get("events") or [{}]:
        yield from _problems_of_event(event)


def _problems_of_time(micros: Any) -> Iterator[Json]:
    if micros is None:
        return
    now = time.time()
    if not isinstance(micros, int) or not now - _OLDEST_SECONDS <= micros / _MICROS <= now + 60:
        yield _problem("timestamp_micros")


def _problems_of_consent(consent: Any) -> Iterator[Json]:
    for name, value in consent.items():
        if name not in ("ad_user_data", "ad_personalization") or value not in ("GRANTED", "DENIED"):
            yield _problem(f"consent.{name}")


def _problems_of_event(event: Json) -> Iterator[Json]:
    if not _NAME.fullmatch(str(event.get("name", ""))):
        yield _problem("events.name", "NAME_INVALID")
    params = event.get("params", {})
    if event.get("name") != "purchase":
        return
    for name in ("transaction_id", "currency", "value", "items"):
        if params.get(name) in (None, "", []):
            yield _problem(f"events.params.{name}", "VALUE_REQUIRED")
    if not re.fullmatch(r"[A-Z]{3}", str(params.get("currency", ""))):
        yield _problem("events.params.currency")
