"""A client for the demo users that retries unanswered requests."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from dev.demo_business import BUSINESS, HOLIDAYS, PASSWORD, login_email

USERS = ("customer", "ana", "ben", "cho", "owner", "admin")
_TIMEOUT_SECONDS = 120.0
_PAUSE_SECONDS = 0.1
_NEW_YORK = ZoneInfo("America/New_York")


class RetryingClient:
    """One HTTP connection pool and a token for each demo user."""

    def __init__(self, http: httpx.AsyncClient, tokens: dict[str, str], providers: dict[str, str]) -> None:
        self._http = http
        self._tokens = tokens
        self.providers = providers
        """Login by provider id."""

    @classmethod
    async def logged_in(cls, http: httpx.AsyncClient) -> "RetryingClient":
        """Log all demo users in."""
        tokens = {}
        for user in USERS:
            answer = await http.post("/v1/auth/login", json={"email": login_email(user), "password": PASSWORD})
            tokens[user] = answer.raise_for_status().json()["access_token"]
        listed = (await http.get(f"/v1/businesses/{BUSINESS}/providers")).json()["items"]
        return cls(http, tokens, {item["id"]: item["name"].split()[0].lower() for item in listed})

    async def call(self, user: str, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Send one request."""
        headers = {"Authorization": f"Bearer {self._tokens[user]}"} | kwargs.pop("headers", {})
        return await self._http.request(method, path, headers=headers, **kwargs)

    async def call_until_answered(self, user: str, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Repeat a request with the same key until the answer is neither 5xx nor `request_in_flight`."""
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while True:
                try:
                    answer = await self.call(user, method, path, **kwargs)
                except httpx.TransportError:
                    pass
                else:
                    if answer.status_code < 500 and "request_in_flight" not in answer.text:
                        return answer
                await asyncio.sleep(_PAUSE_SECONDS)

    async def book(
        self, starts_at: datetime, *, service: str, key: str, provider: str | None = None
    ) -> httpx.Response:
        """Book as the demo customer, with retries."""
        body = {"business_id": BUSINESS, "service_id": service, "starts_at": starts_at.isoformat()}
        if provider is not None:
            body["provider_id"] = provider
        return await self.call_until_answered(
            "customer", "POST", "/v1/bookings", json=body, headers={"Idempotency-Key": key}
        )

    async def command(self, user: str, booking_id: str, command: str, *, key: str, **body: Any) -> httpx.Response:
        """Send a command, with retries."""
        path = f"/v1/bookings/{booking_id}/{command}"
        return await self.call_until_answered(user, "POST", path, json=body, headers={"Idempotency-Key": key})

    async def booking(self, booking_id: str) -> dict[str, Any]:
        """The booking as an admin sees it."""
        answer = await self.call_until_answered("admin", "GET", f"/v1/bookings/{booking_id}")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def until(self, booking_id: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the condition is true of the booking."""
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while not condition(found := await self.booking(booking_id)):
                await asyncio.sleep(_PAUSE_SECONDS)
        return found

    async def until_assigned(self, booking_id: str) -> str:
        """Wait until a provider has the offer; returns the provider's login."""
        found = await self.until(booking_id, lambda booking: booking["status"] == "assigned")
        return self.providers[found["provider_id"]]


_HOLIDAYS = {date_[5:] for date_ in HOLIDAYS}


def half_hours(first_day: int) -> Iterator[datetime]:
    """Starts every half hour within the demo business's hours, from `first_day` days ahead."""
    day = datetime.now(UTC).date() + timedelta(days=first_day)
    while True:
        if day.isoweekday() <= 6 and f"{day:%m-%d}" not in _HOLIDAYS:
            yield from _half_hours_of(day)
        day += timedelta(days=1)


def _half_hours_of(day: date) -> Iterator[datetime]:
    opening = datetime.combine(day, time(8), _NEW_YORK)
    for number in range(20):
        yield opening + number * timedelta(minutes=30)
