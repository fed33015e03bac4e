"""Creating a booking is refused before any write while too many bookings wait for their start."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.settings import Settings
from tests.support.applications import point_to_nowhere, running
from tests.support.factories import Tenant
from tests.support.stage import Stage, ok, problem

LIMIT = 3


@pytest.fixture
async def stuck(settings: Settings, engine: AsyncEngine, tenant: Tenant) -> AsyncIterator[Stage]:
    """A stage whose API can start no workflow and lets few bookings wait."""
    few = {"start_backlog_limit": LIMIT, "start_concurrency": 1}
    with pytest.MonkeyPatch.context() as environment:
        point_to_nowhere(environment)
        async with running(settings.model_copy(update=few)) as client:
            yield Stage(client, engine, tenant)


async def test_a_full_backlog_is_503_and_writes_nothing(stuck: Stage) -> None:
    taken = 0
    async with asyncio.timeout(10):  # the count of what waits is taken every second
        while (answer := await ask(stuck)).status_code == 201:
            taken += 1
    assert taken > LIMIT
    problem(answer, 503, "start_backlog_full")
    assert int(answer.headers["Retry-After"]) > 0
    for table in ("bookings", "reservations", "booking_history", "events", "idempotency_keys"):
        assert await stuck.count(table) == taken
    assert ok(await stuck.as_("owner").get("/v1/bookings"))["items"], "reads go on"


async def ask(stage: Stage) -> httpx.Response:
    return await stage.as_("customer").book(
        stage.tenant, starts_at=stage.next_start(), provider_id=stage.tenant.providers["ana"]
    )
