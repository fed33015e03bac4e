"""A client for the part of the API that the demo uses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx

from dev.demo_business import PASSWORD
from dev.errors import DevError

Json = dict[str, Any]

_TIMEOUT_SECONDS = 30.0


class ApiError(DevError):
    """The API answered with a problem document; `code` is its stable code."""

    def __init__(self, response: httpx.Response) -> None:
        problem = _json(response)
        self.code = str(problem.get("code", ""))
        text = problem.get("detail") or problem.get("title") or response.reason_phrase
        super().__init__(f"{response.request.method} {response.request.url.path}: {response.status_code} {text}")


class DemoClient:
    """Calls the API as one user.

    Every method raises `DevError` if the API does not answer and `ApiError` if it refuses.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._headers: dict[str, str] = {}

    @classmethod
    async def log_in(cls, http: httpx.AsyncClient, email: str) -> "DemoClient":
        client = cls(http)
        answer = await client.call("POST", "/v1/auth/login", {"email": email, "password": PASSWORD})
        client._headers["Authorization"] = f"Bearer {answer['access_token']}"
        return client

    async def providers(self, business: str) -> list[Json]:
        answer = await self.call("GET", f"/v1/businesses/{business}/providers")
        items: list[Json] = answer["items"]
        return items

    async def services(self, business: str) -> list[Json]:
        items: list[Json] = (await self.call("GET", f"/v1/businesses/{business}/services"))["items"]
        return items

    async def jobs(self, booking_id: str) -> list[Json]:
        """The effects of a booking; for the business's staff."""
        items: list[Json] = (await self.call("GET", f"/v1/bookings/{booking_id}/jobs"))["items"]
        return items

    async def payment(self, booking_id: str) -> Json:
        return await self.call("GET", f"/v1/bookings/{booking_id}/payment")

    async def slots(self, business: str, service: str, first: date, days: int) -> list[Json]:
        """The free slots of these days."""
        query = f"service_id={service}&from={first}&to={first + timedelta(days=days)}"
        items: list[Json] = (await self.call("GET", f"/v1/businesses/{business}/slots?{query}"))["items"]
        return items

    async def book(self, request: Json) -> Json:
        return await self.call("POST", "/v1/bookings", request, {"Idempotency-Key": str(uuid4())})

    async def booking(self, booking_id: str) -> Json:
        return await self.call("GET", f"/v1/bookings/{booking_id}")

    async def history(self, booking_id: str) -> list[Json]:
        answer = await self.call("GET", f"/v1/bookings/{booking_id}/history")
        items: list[Json] = answer["items"]
        return items

    async def next(self, booking_id: str) -> Json:
        return await self.call("GET", f"/v1/bookings/{booking_id}/next")

    async def command(self, booking_id: str, name: str, body: Json | None = None) -> Json:
        """Send accept, reject, start, complete or cancel."""
        return await self.call("POST", f"/v1/bookings/{booking_id}/{name}", body)

    async def call(
        self, method: str, path: str, body: Json | None = None, headers: dict[str, str] | None = None
    ) -> Json:
        """Send any request; returns the JSON of the answer."""
        try:
            response = await self._http.request(method, path, json=body, headers=self._headers | (headers or {}))
        except httpx.TransportError as error:
            raise DevError(f"no API answers at {self._http.base_url}: start the stack with `make run`") from error
        if response.is_error:
            raise ApiError(response)
        return _json(response)

    @asynccontextmanager
    async def stream(self, path: str, *, silence_seconds: float) -> AsyncIterator[httpx.Response]:
        """Open an event stream; one that is silent for longer counts as broken."""
        headers = self._headers | {"Accept": "text/event-stream"}
        timeout = httpx.Timeout(_TIMEOUT_SECONDS, read=silence_seconds)
        async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
            if response.is_error:
                await response.aread()
                raise ApiError(response)
            yield response


def demo_http(api_url: str) -> httpx.AsyncClient:
    """Connections to the API; the environment's proxies are ignored on loopback."""
    return httpx.AsyncClient(base_url=api_url, timeout=_TIMEOUT_SECONDS, trust_env=False)


def _json(response: httpx.Response) -> Json:
    try:
        content = response.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
