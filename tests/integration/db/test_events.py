"""Positions of events: gapless for each business, in any order of commits."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import autocommit
from db.repositories import events, webhooks
from runtime.ids import new_id
from tests.support.events import add_event, place_all
from tests.support.factories import Tenant, make_booking, make_tenant

CREATED = "scheduling.booking.created"
_UNCOUNT = text("UPDATE events SET written = NULL WHERE id = ANY(:ids)")


async def add(conn: AsyncConnection, tenant: Tenant, *, about: UUID, at: datetime, type_: str = CREATED) -> UUID:
    """An event as a step writes it."""
    return await add_event(conn, tenant.business_id, type_, at=at, booking_id=about)


async def add_endpoint(engine: AsyncEngine, tenant: Tenant, *event_types: str) -> UUID:
    endpoint_id = new_id()
    values = {"id": endpoint_id, "url": f"https://{endpoint_id}.example", "description": "", "secret": "x"}
    async with engine.begin() as conn:
        await webhooks.add(conn, tenant.business_id, values | {"event_types": list(event_types)})
    return endpoint_id


async def stream(engine: AsyncEngine, tenant: Tenant, after: int = 0) -> events.EventRange:
    async with engine.connect() as conn:
        return await events.list_after(conn, tenant.business_id, after=after, limit=1000)


async def deliveries(engine: AsyncEngine, tenant: Tenant, endpoint_id: UUID) -> list[str]:
    """The types that the endpoint is to be told of, as planned."""
    async with engine.connect() as conn:
        found = await webhooks.list_deliveries(conn, tenant.business_id, endpoint_id, limit=100)
    return [row["event_type"] for row in reversed(found)]


async def test_a_follower_meets_no_gap_whoever_commits_first(engine: AsyncEngine) -> None:
    tenants = [await make_tenant(engine, providers={}) for _ in range(2)]
    about, now = (
        [(await make_booking(engine, tenant, provider=None)).booking_id for tenant in tenants],
        datetime.now(UTC),
    )
    written: list[UUID] = []
    followed: list[tuple[int, UUID]] = []
    done = asyncio.Event()

    async def write(number: int) -> None:
        which = number % 2
        async with engine.begin() as conn:
            written.append(await add(conn, tenants[which], about=about[which], at=now + timedelta(seconds=number)))
            # Those who wrote first commit last.
            await asyncio.sleep(0.005 * (20 - number))

    async def follow() -> None:
        position = 0
        while not (done.is_set() and not (await stream(engine, tenants[0], position)).events):
            for event in (await stream(engine, tenants[0], position)).events:
                followed.append((event["position"], event["id"]))
                position = event["position"]

    async def place() -> None:
        while not done.is_set():
            await place_all(engine)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        for _ in range(3):  # as many workers
            group.create_task(place())
        await asyncio.gather(*(write(number) for number in range(20)))
        await place_all(engine)
        done.set()
    assert [position for position, _ in followed] == list(range(1, 12))  # ten, and the booking's own
    assert len({event_id for _, event_id in followed}) == 11
    other = await stream(engine, tenants[1])
    assert [event["position"] for event in other.events] == list(range(1, 12))
    assert {event_id for _, event_id in followed} | {event["id"] for event in other.events} >= set(written)


async def test_places_given_behind_the_back_of_a_statement_under_way_are_given_once(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    about, now = (await make_booking(engine, tenant)).booking_id, datetime.now(UTC)
    await place_all(engine)
    async with engine.begin() as other:
        # As by one who got the lock and let it go just before: the statement's snapshot is of before the commit.
        await other.execute(_LOCK)
        async with engine.begin() as conn:
            ids = [await add(conn, tenant, about=about, at=now + timedelta(seconds=s)) for s in range(3)]
        await other.execute(_PLACE_BY_HAND, {"business_id": tenant.business_id})
        await other.execute(_UNLOCK)
        late = asyncio.create_task(_number(engine))
        await _until_it_waits(engine)
    await late
    await place_all(engine)
    found = (await stream(engine, tenant)).events
    assert [(event["position"], event["id"]) for event in found[1:]] == list(enumerate(ids, start=2))
    assert (await stream(engine, tenant)).last == 4


_PLACE_BY_HAND = text("""
WITH moved AS (
    UPDATE event_positions SET last = last + 3 WHERE business_id = :business_id RETURNING last - 3 AS last
)
UPDATE events e SET position = moved.last + fresh.nth
FROM moved, (SELECT id, row_number() OVER (ORDER BY time, id) AS nth FROM events
             WHERE business_id = :business_id AND position IS NULL) AS fresh
WHERE e.id = fresh.id
""")
# Nobody else, like the worker of other tests, gives places between these.
_LOCK, _UNLOCK = (text(f"SELECT {how}({events._LOCK})") for how in ("pg_advisory_lock", "pg_advisory_unlock"))
_WAITS = text("""
SELECT EXISTS (SELECT 1 FROM pg_stat_activity
               WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO event_positions%')
""")


async def _number(engine: AsyncEngine) -> int:
    async with autocommit(engine) as conn:
        return await events.number_new(conn)


async def _until_it_waits(engine: AsyncEngine) -> None:
    async with asyncio.timeout(4), autocommit(engine) as conn:
        while not (await conn.execute(_WAITS)).scalar_one():
            await asyncio.sleep(0.01)


async def test_one_that_stands_still_in_a_transaction_of_its_own_is_ended_and_the_others_go_on_without_a_gap(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    about, now = (await make_booking(engine, tenant)).booking_id, datetime.now(UTC)
    async with engine.begin() as conn:
        ids = [await add(conn, tenant, about=about, at=now + timedelta(seconds=s)) for s in range(3)]
    stopped = await engine.connect()  # as a worker of the version before, that was stopped in between
    await stopped.begin()
    await stopped.execute(text("SET LOCAL idle_in_transaction_session_timeout = '1s'"))
    await events.number_new(stopped)
    await place_all(engine)
    await stopped.invalidate()
    await stopped.close()
    found = (await stream(engine, tenant)).events
    assert [(event["position"], event["id"]) for event in found[1:]] == list(enumerate(ids, start=2))


async def test_events_keep_the_order_in_which_they_are_written_whatever_the_clocks_of_their_writers_say(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    about, now = (await make_booking(engine, tenant)).booking_id, datetime.now(UTC)
    ids = []
    for hours in (1, 0, -1, 0):
        async with engine.begin() as conn:
            ids.append(await add(conn, tenant, about=about, at=now + timedelta(hours=hours)))
    await place_all(engine)
    assert [event["id"] for event in (await stream(engine, tenant)).events][1:] == ids


async def test_what_was_written_before_the_order_was_counted_comes_first_by_its_time(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    about, now = (await make_booking(engine, tenant)).booking_id, datetime.now(UTC)
    await place_all(engine)
    async with engine.begin() as conn:
        ids = [await add(conn, tenant, about=about, at=now + timedelta(seconds=s)) for s in (9, 3, 1, 2, 2)]
        await conn.execute(_UNCOUNT, {"ids": ids[1:]})
    await place_all(engine)
    read_ids = [event["id"] for event in (await stream(engine, tenant)).events][1:]
    assert read_ids == [ids[2], ids[3], ids[4], ids[1], ids[0]]


async def test_an_endpoint_hears_of_what_comes_after_it_whatever_the_clock_of_the_writer_says(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    about, now = (await make_booking(engine, tenant)).booking_id, datetime.now(UTC)
    ahead, behind = now + timedelta(hours=1), now - timedelta(hours=1)
    async with engine.begin() as conn:
        await add(conn, tenant, about=about, at=ahead, type_="scheduling.booking.accepted")
    endpoint = await add_endpoint(engine, tenant)
    async with engine.begin() as conn:
        await add(conn, tenant, about=about, at=behind, type_="scheduling.booking.started")
    await place_all(engine)
    assert await deliveries(engine, tenant, endpoint) == ["scheduling.booking.started"]


async def test_endpoints_are_told_of_what_they_ask_for_and_of_nothing_before_their_time(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    about, now = (await make_booking(engine, tenant)).booking_id, datetime.now(UTC)
    everything = await add_endpoint(engine, tenant)
    exact = await add_endpoint(engine, tenant, "scheduling.booking.accepted")
    begun = await add_endpoint(engine, tenant, "scheduling.booking.reminder.*", "scheduling.booking.no_show")
    silent = await add_endpoint(engine, tenant)
    foreign = await add_endpoint(engine, other := await make_tenant(engine, providers={}))
    async with engine.begin() as conn:
        await webhooks.disable(conn, tenant.business_id, silent, "gone")
    types = ["scheduling.booking.accepted", "scheduling.booking.reminder.due", "scheduling.booking.no_show"]
    async with engine.begin() as conn:
        left_behind = await add(conn, tenant, about=about, at=now - timedelta(days=1))
        await conn.execute(_UNCOUNT, {"ids": [left_behind]})
        for seconds, type_ in enumerate(types):
            await add(conn, tenant, about=about, at=datetime.now(UTC) + timedelta(seconds=seconds), type_=type_)
    await place_all(engine)
    assert await deliveries(engine, tenant, everything) == types
    assert await deliveries(engine, tenant, exact) == types[:1]
    assert await deliveries(engine, tenant, begun) == types[1:]
    assert await deliveries(engine, tenant, silent) == []
    assert await deliveries(engine, other, foreign) == []


async def test_types_are_looked_for_in_stretches_that_are_told(engine: AsyncEngine, tenant: Tenant) -> None:
    about, now = (await make_booking(engine, tenant)).booking_id, datetime.now(UTC)
    async with engine.begin() as conn:
        for seconds in range(3):
            await add(conn, tenant, about=about, at=now + timedelta(seconds=seconds))
        await add(conn, tenant, about=about, at=now + timedelta(seconds=9), type_="scheduling.booking.accepted")
    await place_all(engine)
    async with engine.connect() as conn:
        look = (conn, tenant.business_id)
        found = await events.list_after(*look, after=0, limit=10, types=["scheduling.booking.accepted"])
        first = await events.list_after(*look, after=0, limit=2, types=["scheduling.*"])
        none = await events.list_after(*look, after=1, limit=10, types=["scheduling.booking.started"])
    assert ([event["position"] for event in found.events], found.next, found.last) == ([5], 5, 5)
    assert ([event["position"] for event in first.events], first.next) == ([1, 2], 2)
    assert (list(none.events), none.next) == ([], 5)
