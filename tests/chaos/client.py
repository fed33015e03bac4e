"""A client that retries unanswered requests with the same key, and writes everything into the history."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

from tests.chaos.business import Business
from tests.chaos.history import IN_FLIGHT, History, Json

TIMEOUT_SECONDS: Final = 40.0
RETRY_SECONDS: Final = 60.0
"""Time for which a client retries while there is no fault."""
_LONGEST_PAUSE: Final = 3.0
_EAGER_SHARE: Final = 0.3
"""Share of retries that follow a 503 immediately."""
_RECORDED_MEMBERS: Final = (
    "id",
    "reference",
    "status",
    "version",
    "starts_at",
    "provider_id",
    "service_id",
    "created_at",
)
"""The members of an answer that the history contains: ids, states and times, but no personal data."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request."""

    operation: str
    method: str
    path: str
    role: str
    user_id: UUID
    body: Json | None = None
    booking_id: str | None = None
    key: str | None = None
    headers: Json = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))


class Client:
    """Sends requests to one of the APIs, and writes each request and answer into the history."""

    def __init__(self, http: httpx.AsyncClient, urls: Sequence[str], business: Business, history: History) -> None:
        self._http = http
        self._urls = urls
        self.business = business
        self._history = history

    async def ask(self, request: Request, rng: random.Random, *, places: int = 1) -> Json | None:
        """Send a request from `places` clients at the same time; returns the first successful body.

        None if the request was refused or never answered.
        """
        seeds = [rng.random() for _ in range(places)]
        asking = (self._ask_from(request, place, random.Random(seed)) for place, seed in enumerate(seeds))
        answers = await asyncio.gather(*asking)
        return next((answer for answer in answers if answer is not None), None)

    async def _ask_from(self, request: Request, place: int, rng: random.Random) -> Json | None:
        began, number = time.monotonic(), 0
        while min(time.monotonic() - began, self._history.seconds_without_fault()) < RETRY_SECONDS:
            number += 1
            answer = await self._send(request, place, number, rng)
            if answer is not None and answer.status_code < 500 and _problem_code(answer) != IN_FLIGHT:
                return _json(answer) if answer.is_success else None
            await asyncio.sleep(_pause(answer, rng))
        return None

    async def _send(self, request: Request, place: int, number: int, rng: random.Random) -> httpx.Response | None:
        name = {"request": request.id, "place": place, "attempt": number}
        self._history.write("request", **name, **_described(request))
        headers = self.business.headers(request.user_id) | request.headers
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        url = rng.choice(self._urls) + request.path
        try:
            answer = await self._http.request(request.method, url, json=request.body, headers=headers)
        except httpx.HTTPError as error:
            self._history.write("answer", **name, **_no_answer(type(error).__name__))
            return None
        self._history.write("answer", **name, **_answered(answer))
        return answer


def _described(request: Request) -> Json:
    return {
        "operation": request.operation,
        "method": request.method,
        "path": request.path,
        "role": request.role,
        "caller_id": str(request.user_id),
        "key": request.key,
        "booking_id": request.booking_id,
        "request_body": request.body or {},
    }


def _no_answer(error: str) -> Json:
    return {"status": None, "code": None, "error": error, "retry_after": None, "body": {}}


def _answered(answer: httpx.Response) -> Json:
    body = _json(answer)
    kept = {name: body[name] for name in _RECORDED_MEMBERS if name in body} if answer.is_success else {}
    retry_after = answer.headers.get("Retry-After")
    return {
        "status": answer.status_code,
        "code": _problem_code(answer),
        "error": None,
        "retry_after": retry_after,
        "body": kept,
    }


def _json(answer: httpx.Response) -> Json:
    try:
        content: Any = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _problem_code(answer: httpx.Response) -> str | None:
    code = None if answer.is_success else _json(answer).get("code")
    return None if code is None else str(code)


def _pause(answer: httpx.Response | None, rng: random.Random) -> float:
    """Seconds until the next attempt: some clients respect `Retry-After`, some do not."""
    if answer is None or answer.status_code != 503:
        return rng.uniform(0.2, 1.0)
    if rng.random() < _EAGER_SHARE:
        return 0.02
    retry_after = answer.headers.get("Retry-After", "1")
    return min(float(retry_after) if retry_after.isdigit() else 1.0, _LONGEST_PAUSE)
