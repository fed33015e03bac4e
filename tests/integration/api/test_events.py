"""A business's event stream, as its readers see it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert

from db.models import Membership
from domain.callers import Scope
from tests.support.api_client import ApiClient
from tests.support.api_keys import key_holder
from tests.support.factories import make_tenant
from tests.support.stage import Json, Stage, make_stage, ok, problem


@pytest.fixture
async def stage(api: ApiClient, engine: Any) -> Stage:
    return await make_stage(api, engine)


async def read(by: ApiClient, **query: Any) -> Json:
    return ok(await by.get("/v1/events", **query))


async def read_until(by: ApiClient, count: int) -> list[Json]:
    """The events from the first on, as they come, until so many are about bookings' steps."""
    found: list[Json] = []
    page: Json = {"next": 0}
    async with asyncio.timeout(20):
        while len(steps(found)) < count:
            page = await read(by, after=page["next"], wait=5)
            found += page["items"]
    assert [int(event["sequence"]) for event in found] == list(range(1, len(found) + 1))
    return found


def steps(events: list[Json]) -> list[Json]:
    """Those about bookings' steps: others tell of the messages that the steps set off."""
    return [event for event in events if event["type"].startswith("scheduling.booking.")]


async def test_a_booking_is_told_of_in_order_as_cloud_events(stage: Stage) -> None:
    booking = await stage.book()
    await stage.settled(booking, "assigned")
    ok(await stage.as_("ana").command(booking["id"], "accept"))
    events = steps(await read_until(stage.as_("owner"), 3))
    kinds = [event["type"].removeprefix("scheduling.booking.") for event in events]
    assert kinds == ["created", "assigned", "accepted"]
    business_id, ana = str(stage.tenant.business_id), stage.tenant.principals["ana"]
    accepted = events[-1]
    assert accepted.pop("correlationid")
    assert accepted == {
        "specversion": "1.0",
        "id": accepted["id"],
        "source": f"/holdfast/scheduling/{business_id}",
        "type": "scheduling.booking.accepted",
        "subject": booking["id"],
        "time": accepted["time"],
        "datacontenttype": "application/json",
        "sequence": f"{int(accepted['sequence']):019d}",
        "tenant": business_id,
        "actorrole": "provider",
        "actorid": str(ana.user_id),
        "dataversion": "1",
        "data": accepted["data"],
    }
    assert accepted["time"].endswith("Z")
    assert accepted["data"]["bookingId"] == booking["id"]
    assert all(name.isalnum() and name.islower() for name in accepted)


async def test_a_stretch_is_read_by_position_and_by_type(stage: Stage) -> None:
    for _ in range(2):
        await stage.settled(await stage.book(), "assigned")
    owner = stage.as_("owner")
    everything = await read_until(owner, 4)
    middle = await read(owner, after=1, limit=2)
    last = middle.pop("last")
    assert middle == {"items": everything[1:3], "next": 3}
    created = await read(owner, types="scheduling.booking.created")
    assert len(created["items"]) == 2
    assert created["next"] >= last
    two = ["scheduling.booking.created", "scheduling.booking.as*"]
    problem(await owner.get("/v1/events", types=two), 422, "invalid_request")
    assert (await read(owner, types="scheduling.booking.*"))["items"] == steps(everything)
    beyond = await read(owner, after=99)
    assert (beyond["items"], beyond["next"]) == ([], 99)
    for wrong in ({"types": "scheduling.booking.acepted"}, {"after": -1}, {"limit": 0}, {"wait": 26}):
        problem(await owner.get("/v1/events", **wrong), 422, "invalid_request")


async def test_whoever_waits_is_answered_when_something_happens(stage: Stage) -> None:
    waiting = asyncio.create_task(read(stage.as_("owner"), wait=20))
    await stage.book()
    async with asyncio.timeout(10):
        assert (await waiting)["items"][0]["type"] == "scheduling.booking.created"


async def test_the_stream_is_for_the_desk_and_for_keys_with_its_scope(stage: Stage) -> None:
    business_id = str(stage.tenant.business_id)
    assert await read(await key_holder(stage, Scope.READ_EVENTS)) == {"items": [], "next": 0, "last": 0}
    assert await read(stage.as_("admin"), business_id=business_id) == {"items": [], "next": 0, "last": 0}
    lacking = await key_holder(stage, Scope.READ_BOOKINGS, Scope.MANAGE_BUSINESS)
    problem(await lacking.get("/v1/events"), 403, "forbidden")
    problem(await stage.as_("ana").get("/v1/events", business_id=business_id), 403, "forbidden")
    problem(await stage.as_("customer").get("/v1/events", business_id=business_id), 404, "not_found")
    problem(await stage.as_("customer").get("/v1/events"), 422, "invalid_request")
    problem(await stage.api.get("/v1/events"), 401, "unauthenticated")


async def test_who_runs_several_businesses_says_which(stage: Stage) -> None:
    other, owner = await make_tenant(stage.engine, providers={}), stage.tenant.principals["owner"]
    async with stage.engine.begin() as conn:
        values = {"user_id": owner.user_id, "business_id": other.business_id, "role": "owner", "provider_id": None}
        await conn.execute(insert(Membership).values(values))
    problem(await stage.as_("owner").get("/v1/events"), 422, "invalid_request")
    assert (await read(stage.as_("owner"), business_id=str(other.business_id)))["items"] == []
    stranger = await make_tenant(stage.engine, providers={})
    problem(await stage.as_("owner").get("/v1/events", business_id=str(stranger.business_id)), 404, "not_found")
