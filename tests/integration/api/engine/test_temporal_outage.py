"""Temporal is unavailable: bookings are accepted, reads work, commands get 503 with Retry-After."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import point_to_nowhere, running
from tests.support.factories import Tenant, future, make_booking
from tests.support.stage import Stage, ok, problem


@pytest.fixture(scope="module")
async def cut_off(settings: Settings) -> AsyncIterator[ApiClient]:
    """An API that finds no Temporal."""
    with pytest.MonkeyPatch.context() as environment:
        point_to_nowhere(environment)
        async with running(settings) as client:
            yield client


@pytest.fixture
def stage(cut_off: ApiClient, engine: AsyncEngine, tenant: Tenant) -> Stage:
    return Stage(cut_off, engine, tenant)


async def test_a_booking_is_taken_and_can_be_read(stage: Stage) -> None:
    booking = await stage.book()
    assert ok(await stage.as_("customer").get(f"/v1/bookings/{booking['id']}"))["id"] == booking["id"]
    assert len(await stage.history(booking)) >= 1
    assert (await stage.next(booking))["phase"]
    assert [item["id"] for item in ok(await stage.as_("owner").get("/v1/bookings"))["items"]] == [booking["id"]]


async def test_a_slot_that_is_taken_is_still_refused(stage: Stage) -> None:
    starts_at = future()
    await stage.book(starts_at=starts_at)
    answer = await stage.as_("customer").book(
        stage.tenant, starts_at=starts_at, provider_id=stage.tenant.providers["ana"]
    )
    problem(answer, 409, "slot_unavailable")


@pytest.mark.parametrize("command", ["accept", "cancel"])
async def test_a_command_is_503_and_says_when_to_come_back(stage: Stage, command: str) -> None:
    booking = await make_booking(stage.engine, stage.tenant)
    answer = await stage.as_("admin").command(booking.booking_id, command)
    problem(answer, 503, "engine_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    log = ok(await stage.as_("owner").get(f"/v1/businesses/{stage.tenant.slug}/audit-log"))["items"]
    line = (f"{command}Booking", str(booking.booking_id), "done", "engine_unavailable")
    assert (log[0]["action"], log[0]["object_id"], log[0]["outcome"], log[0]["code"]) == line, "it may come yet"


async def test_a_command_that_is_not_theirs_to_give_is_refused_all_the_same(stage: Stage) -> None:
    booking = await make_booking(stage.engine, stage.tenant)
    problem(await stage.as_("customer").command(booking.booking_id, "accept"), 403, "forbidden")


async def test_it_is_degraded_but_ready(cut_off: ApiClient) -> None:
    health = ok(await cut_off.get("/health"))
    assert health["status"] == "degraded"
    assert health["checks"] == {"database": "ok", "temporal": "unavailable"}
    assert ok(await cut_off.get("/readyz"))["checks"]["temporal"] == "unavailable"
    assert ok(await cut_off.get("/livez")) == {"status": "ok"}
