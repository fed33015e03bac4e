"""The hub hands every event to whoever follows it: once, in order, whatever gets lost in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.streams.hub import BUFFER, EventHub, Follower
from db.engine import autocommit
from domain.event_audiences import EVERYTHING, of_booking
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.events import add_event, place_all, place_untold
from tests.support.factories import Tenant, make_booking, make_tenant

ALL = frozenset({EVERYTHING})


async def write(engine: AsyncEngine, tenant: Tenant, count: int, *, about: UUID, type_: str = "accepted") -> None:
    async with engine.begin() as conn:
        for _ in range(count):
            await add_event(conn, tenant.business_id, f"scheduling.booking.{type_}", booking_id=about)


async def heard(follower: Follower, count: int) -> list[int]:
    """The positions of the next `count` events."""
    found: list[int] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            found += [event["position"] for event in await follower.next(1)]
    return found


@asynccontextmanager
async def running(hub: EventHub) -> AsyncIterator[None]:
    task = asyncio.create_task(hub.run())
    try:
        yield
    finally:
        task.cancel()


@pytest.fixture
async def hub(engine: AsyncEngine, settings: Settings) -> AsyncIterator[EventHub]:
    hub = EventHub(engine, settings.database_url)
    async with running(hub):
        yield hub


async def test_what_is_written_while_one_listens_is_heard_in_order(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    await place_all(engine)
    async with hub.follow({tenant.business_id: ALL}) as follower:
        for _ in range(5):
            await write(engine, tenant, 3, about=new_id())
            await place_all(engine)
        assert await heard(follower, 15) == list(range(1, 16))
        assert await follower.next(0.05) == []


async def test_a_resumed_listener_gets_the_log_and_then_what_is_new_without_a_seam(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    await write(engine, tenant, 30, about=new_id())
    await place_all(engine)
    async with hub.follow({tenant.business_id: ALL}, {tenant.business_id: 7}) as follower:
        await write(engine, tenant, 30, about=new_id())
        await place_all(engine)
        assert await heard(follower, 53) == list(range(8, 61))


async def test_a_listener_too_slow_for_its_buffer_reads_the_log_and_misses_nothing(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    each, rounds = 60, 6
    assert each * rounds > BUFFER
    await place_all(engine)
    async with hub.follow({tenant.business_id: ALL}) as slow, hub.follow({tenant.business_id: ALL}) as quick:
        for _ in range(rounds):
            await write(engine, tenant, each, about=new_id())
            await place_all(engine)
            await heard(quick, each)
        assert await heard(slow, each * rounds) == list(range(1, each * rounds + 1))


async def test_who_follows_a_booking_hears_of_no_other_and_of_nothing_that_is_the_desks_alone(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    mine, other = new_id(), new_id()
    stranger = await make_tenant(engine, providers={})
    await write(engine, tenant, 1, about=mine)
    await place_all(engine)
    topics = frozenset({of_booking(mine)})
    async with hub.follow({tenant.business_id: topics}, {tenant.business_id: 0}) as follower:
        await write(engine, tenant, 2, about=other)
        await write(engine, tenant, 1, about=mine, type_="flagged")
        await write(engine, stranger, 1, about=mine)
        await write(engine, tenant, 1, about=mine, type_="started")
        await place_all(engine)
        assert await heard(follower, 2) == [1, 5]


async def test_the_place_of_a_count_is_before_whatever_was_written_later(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    await write(engine, tenant, 3, about=new_id())
    await place_all(engine)
    async with engine.begin() as slow:
        await add_event(slow, tenant.business_id, "scheduling.booking.accepted", booking_id=new_id())
        count = await hub.count_written()
        assert await hub.places_at([tenant.business_id], count) == {tenant.business_id: 3}
        await write(engine, tenant, 2, about=new_id())
        await place_all(engine)
    await place_all(engine)  # the slow one comes sixth, although it was written fourth
    assert await hub.places_at([tenant.business_id], count) == {tenant.business_id: 3}
    assert await hub.places_at([tenant.business_id], 0) == {tenant.business_id: 0}
    nobody = new_id()
    assert await hub.places_at([nobody], count) == {nobody: 0}


async def test_types_are_left_out_of_the_log_and_of_what_is_new(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    await write(engine, tenant, 1, about=new_id())
    await write(engine, tenant, 1, about=new_id(), type_="started")
    await place_all(engine)
    types = ("scheduling.booking.started",)
    async with hub.follow({tenant.business_id: ALL}, {tenant.business_id: 0}, types) as follower:
        assert await heard(follower, 1) == [2]
        await write(engine, tenant, 1, about=new_id())
        await write(engine, tenant, 1, about=new_id(), type_="started")
        await place_all(engine)
        assert await heard(follower, 1) == [4]


async def test_a_hub_that_lost_its_connection_hears_again(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    await place_all(engine)
    ended = text("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = :name")
    async with hub.follow({tenant.business_id: ALL}) as follower:
        await write(engine, tenant, 1, about=new_id())
        await place_all(engine)
        assert await heard(follower, 1) == [1]
        async with autocommit(engine) as conn:
            assert (await conn.execute(ended, {"name": "holdfast-hub"})).scalar_one() >= 1  # others have theirs
        await write(engine, tenant, 2, about=new_id())
        await place_all(engine)
        assert await heard(follower, 2) == [2, 3]


async def test_what_nobody_told_of_is_found_however_much_is_told_of_others(
    engine: AsyncEngine, tenant: Tenant, hub: EventHub
) -> None:
    other = await make_tenant(engine, providers={})

    async def keep_busy() -> None:
        while True:
            await write(engine, other, 1, about=new_id())
            await place_all(engine)
            await asyncio.sleep(0.1)

    await place_all(engine)
    async with hub.follow({tenant.business_id: ALL, other.business_id: ALL}) as follower:
        busy = asyncio.create_task(keep_busy())
        async with engine.begin() as conn:
            await add_event(conn, tenant.business_id, "scheduling.booking.accepted", booking_id=new_id())
        await place_untold(engine, tenant.business_id)
        async with asyncio.timeout(5):
            while tenant.business_id not in {event["business_id"] for event in await follower.next(1)}:
                pass
        busy.cancel()


async def test_nothing_is_kept_for_those_who_have_left(engine: AsyncEngine, tenant: Tenant, hub: EventHub) -> None:
    booking = await make_booking(engine, tenant)
    async with hub.follow({tenant.business_id: frozenset({of_booking(booking.booking_id)})}):
        assert hub._tails
    assert not hub._tails
