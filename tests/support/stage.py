"""A business with bookings in a given state, which it reaches through the API."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Business, Provider
from domain.policies import Backoff, Intake, Policy
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant, future, make_tenant

PATIENCE_SECONDS = 20

PATIENT = Policy(intake=Intake.DISPATCH, backoff=Backoff(base_seconds=86_400, attempts=20))
"""Takes every booking and lets a day pass before a second attempt: nothing moves by itself."""

Json = dict[str, Any]


def ok(response: httpx.Response, status: int = 200) -> Json:
    """The body of an answer, which must be a success."""
    assert response.status_code == status, response.text
    body: Json = response.json()
    return body


def problem(response: httpx.Response, status: int, code: str) -> Json:
    """The body of an answer, which must be this problem document."""
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    body: Json = response.json()
    assert body["code"] == code, body
    assert body["type"] == f"urn:holdfast:problem:{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert "Traceback" not in response.text
    return body


async def patch(client: ApiClient, path: str, body: Json, **headers: str) -> httpx.Response:
    """`PATCH` with `If-Match: *`; pass `**{"If-Match": tag}` for a conditional change."""
    return await client.send("PATCH", path, body, **{"If-Match": "*"} | headers)


async def until(look: Callable[[], Awaitable[httpx.Response]], holds: Callable[[Json], bool]) -> Json:
    """Poll until the condition holds, and return the body."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds(seen := ok(await look())):
            await asyncio.sleep(0.01)
    return seen


class Stage:
    """A business with its people; each booking has its own time."""

    def __init__(self, api: ApiClient, engine: AsyncEngine, tenant: Tenant) -> None:
        self.api = api
        self.engine = engine
        self.tenant = tenant
        self._hours = itertools.count(72)

    def as_(self, name: str) -> ApiClient:
        """A client for a person of this business: `customer`, `owner`, `admin` or a provider by name."""
        return self.api.as_(self.tenant.principals[name])

    def next_start(self) -> datetime:
        """A time that no other booking of this stage has."""
        return future(next(self._hours))

    async def book(self, **body: Any) -> Json:
        """A booking by the customer with Ana by default."""
        defaults: Json = {"starts_at": self.next_start(), "provider_id": self.tenant.providers.get("ana")}
        request = {name: value for name, value in (defaults | body).items() if value is not None}
        return ok(await self.as_("customer").book(self.tenant, **request), 201)

    async def settled(self, booking: Json, status: str) -> Json:
        """Wait until the booking has this status."""
        return await until(
            lambda: self.as_("admin").get(f"/v1/bookings/{booking['id']}"), lambda seen: seen["status"] == status
        )

    async def history(self, booking: Json) -> list[Json]:
        """All steps of the booking."""
        items: list[Json] = ok(await self.as_("admin").get(f"/v1/bookings/{booking['id']}/history"))["items"]
        return items

    async def next(self, booking: Json) -> Json:
        """The answer of `/next`."""
        return ok(await self.as_("admin").get(f"/v1/bookings/{booking['id']}/next"))

    async def override(self, booking: Json, status: str) -> Json:
        """The booking after an admin's override."""
        return ok(await self.as_("admin").command(booking["id"], "override", status=status, reason="test"))

    async def bookings_in(self, status: str, count: int = 1) -> list[Json]:
        """Bookings that are in this status and stay there; the tenant must be a `PATIENT` one."""
        if status == "pending":
            return await self._pending(count)
        return await asyncio.gather(*(self._booking_in(status) for _ in range(count)))

    async def _booking_in(self, status: str) -> Json:
        booking = await self.book()
        if status == "rejected":
            await self.settled(booking, "assigned")
            return ok(await self.as_("ana").command(booking["id"], "reject"))
        return await self.override(booking, status)

    async def _pending(self, count: int) -> list[Json]:
        """At the first attempt no provider is free; afterwards all are."""
        await self._set_available(False)
        made = await asyncio.gather(*(self.book(provider_id=None) for _ in range(count)))
        tried = [
            until(
                lambda booking=booking: self.as_("admin").get(f"/v1/bookings/{booking['id']}"),  # type: ignore[misc]
                lambda seen: seen["version"] == 2,
            )
            for booking in made
        ]
        pending = await asyncio.gather(*tried)
        await self._set_available(True)
        return pending

    async def _set_available(self, available: bool) -> None:
        await self.change(Provider, available=available)

    async def change(self, model: Any, **values: Any) -> None:
        """Change all rows of this model that belong to the business."""
        key = model.id if model is Business else model.business_id
        async with self.engine.begin() as conn:
            await conn.execute(update(model).where(key == self.tenant.business_id).values(values))

    async def count(self, table: str) -> int:
        """The number of the business's rows in a table."""
        query = text(f"SELECT count(*) FROM {table} WHERE business_id = :id")
        async with self.engine.connect() as conn:
            return int((await conn.execute(query, {"id": self.tenant.business_id})).scalar_one())


async def make_stage(api: ApiClient, engine: AsyncEngine, policy: Policy = PATIENT, **particulars: Any) -> Stage:
    """A new business."""
    return Stage(api, engine, await make_tenant(engine, policy=policy, **particulars))
