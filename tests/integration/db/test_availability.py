"""Loading a business's calendar: everything relevant to the query, and no other tenant's data."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Booking, DateException, Hold, Provider, ServiceArea, TimeOff, WeeklyHours
from db.repositories import availability, locks
from db.repositories import holds as hold_rows
from domain.assignment import named_choice
from domain.slots import BusinessCalendar, SlotQuery
from runtime.ids import new_id
from tests.support.booking_states import slot_query
from tests.support.factories import Tenant, appointment, make_booking, make_tenant

NOON = datetime(datetime.now(UTC).year + 1, 6, 15, 16, tzinfo=UTC)
"""On a clock in New York."""
HOUR = timedelta(hours=1)


async def load(engine: AsyncEngine, tenant: Tenant, search: SlotQuery) -> BusinessCalendar:
    """The calendar as it is now."""
    async with engine.connect() as conn:
        return await availability.load(conn, tenant.business_id, search)


async def free(engine: AsyncEngine, tenant: Tenant, starts_at: datetime = NOON, **rules: Any) -> list[str]:
    """The names of those who may be booked then."""
    read = await load(engine, tenant, slot_query(tenant, starts_at, **rules))
    return [tenant.name_of(candidate.provider_id) for candidate in read.bookable_at(starts_at)]


async def add(engine: AsyncEngine, tenant: Tenant, model: Any, *rows: dict[str, Any]) -> None:
    """Rows of the tenant's."""
    async with engine.begin() as conn:
        for row in rows:
            await conn.execute(insert(model).values({"id": new_id(), "business_id": tenant.business_id} | row))


async def hold(engine: AsyncEngine, tenant: Tenant, starts_at: datetime, *, minutes: int = 10) -> None:
    """Keep Ana's time."""
    user_id, ana = tenant.principals["customer"].user_id, tenant.providers["ana"]
    async with engine.begin() as conn:
        await locks.lock(conn, tenant.business_id, [hold_rows.lock_name(user_id)])
        inserted = await hold_rows.insert(
            conn,
            tenant.business_id,
            appointment(tenant, starts_at),
            held_by=user_id,
            choice=named_choice(ana),
            promise=None,
            minutes=minutes,
            limit=10,
        )
        assert not isinstance(inserted, hold_rows.Insertion)


async def test_nothing_of_another_tenant_s_is_read(engine: AsyncEngine, tenant: Tenant) -> None:
    other = await make_tenant(engine)
    closed = {"date": NOON.date(), "kind": "closed"}
    away = {"kind": "block", "starts_at": NOON - HOUR, "ends_at": NOON + HOUR}
    await add(engine, other, DateException, closed)
    await add(engine, other, TimeOff, away, away | {"provider_id": other.providers["ana"]})
    await add(engine, other, ServiceArea, {"kind": "exact", "first": "10001"})
    await make_booking(engine, other, starts_at=NOON)
    await hold(engine, other, NOON + HOUR)
    assert await free(engine, tenant, daily_limit=1) == ["ana", "ben"]
    assert await free(engine, tenant, NOON + HOUR, daily_limit=1) == ["ana", "ben"]
    read = await load(engine, tenant, slot_query(tenant, NOON))
    assert {provider.schedule.provider_id for provider in read.providers} == set(tenant.providers.values())


async def test_whatever_touches_the_query_is_read_however_far_it_reaches(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    long = {"kind": "time_off", "starts_at": NOON - timedelta(days=90), "ends_at": NOON + timedelta(days=90)}
    await add(engine, tenant, TimeOff, long | {"provider_id": tenant.providers["ana"]})
    buffers: dict[str, Any] = {"buffer_before_minutes": 2000, "buffer_after_minutes": 2000}
    assert await free(engine, tenant, **buffers) == ["ben"]
    for hours in (-34, 34):
        booking = await make_booking(engine, tenant, starts_at=NOON + hours * HOUR, provider="ben")
        assert await free(engine, tenant, **buffers) == []
        async with engine.begin() as conn:
            await conn.execute(text("DELETE FROM reservations WHERE booking_id = :id"), {"id": booking.booking_id})
    assert await free(engine, tenant, **buffers) == ["ben"]


async def test_what_ends_or_begins_within_a_second_takes_the_whole_of_it(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    moment = timedelta(microseconds=1)
    ana, ben = ({"kind": "block", "provider_id": tenant.providers[name]} for name in ("ana", "ben"))
    await add(engine, tenant, TimeOff, ana | {"starts_at": NOON - HOUR, "ends_at": NOON + moment})
    await add(engine, tenant, TimeOff, ben | {"starts_at": NOON + HOUR - moment, "ends_at": NOON + 2 * HOUR})
    assert await free(engine, tenant) == []


async def test_a_holiday_of_every_year_counts_in_this_one_and_one_of_another_year_does_not(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    long_ago = {"date": NOON.date().replace(year=1999), "kind": "closed"}
    await add(engine, tenant, DateException, long_ago)
    assert await free(engine, tenant) == ["ana", "ben"]
    await add(engine, tenant, DateException, long_ago | {"yearly": True, "provider_id": tenant.providers["ana"]})
    assert await free(engine, tenant) == ["ben"]
    await add(engine, tenant, DateException, long_ago | {"yearly": True})
    assert await free(engine, tenant) == []


async def test_the_dates_of_a_provider_in_another_zone_are_read_too(engine: AsyncEngine, tenant: Tenant) -> None:
    ana = {"provider_id": tenant.providers["ana"]}
    late = NOON - 11 * HOUR  # one in the morning in New York, seven in the evening of the day before in Honolulu
    evenings = [{"weekday": day, "opens_minute": 18 * 60, "closes_minute": 22 * 60} for day in range(1, 8)]
    await add(engine, tenant, WeeklyHours, *(evening | ana for evening in evenings))
    async with engine.begin() as conn:
        query = update(Provider).where(Provider.id == tenant.providers["ana"])
        await conn.execute(query.values(timezone="Pacific/Honolulu"))
    closed = ana | {"kind": "closed"}
    await add(engine, tenant, DateException, closed | {"date": NOON.date()})
    assert await free(engine, tenant, late) == ["ana", "ben"]
    await add(engine, tenant, DateException, closed | {"date": NOON.date() - timedelta(days=1)})
    assert await free(engine, tenant, late) == ["ben"]


async def test_a_day_counts_bookings_and_live_holds_but_neither_cancelled_ones_nor_the_one_that_moves(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    bookings = [await make_booking(engine, tenant, starts_at=NOON + n * HOUR) for n in range(3)]
    await hold(engine, tenant, NOON + 3 * HOUR)
    day_before = await make_booking(engine, tenant, starts_at=NOON - 13 * HOUR)
    search = slot_query(tenant, NOON, daily_limit=4)
    assert is_full(await load(engine, tenant, search))
    assert not is_full(await load(engine, tenant, replace(search, moving_booking_id=bookings[0].booking_id)))
    assert is_full(await load(engine, tenant, replace(search, moving_booking_id=day_before.booking_id)))
    async with engine.begin() as conn:
        await conn.execute(
            update(Hold).where(Hold.business_id == tenant.business_id).values(expires_at=datetime.now(UTC))
        )
    assert not is_full(await load(engine, tenant, search))
    await make_booking(engine, tenant, starts_at=NOON + 4 * HOUR)
    assert is_full(await load(engine, tenant, search))
    async with engine.begin() as conn:
        cancelled = update(Booking).where(Booking.id == bookings[1].booking_id)
        await conn.execute(cancelled.values(status="cancelled", version=2))
    assert not is_full(await load(engine, tenant, search))


def is_full(calendar: BusinessCalendar) -> bool:
    return bool(calendar.full_days)


async def test_whom_the_customer_had_last_is_who_completed_the_latest_appointment(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    search = replace(slot_query(tenant, NOON), customer_id=tenant.customer_id)
    made = [
        await make_booking(engine, tenant, starts_at=NOON + hours * HOUR, provider=name)
        for hours, name in ((1, "ana"), (3, "ben"), (5, "ana"))
    ]

    async def served_last(completed: Iterable[int]) -> str | None:
        async with engine.begin() as conn:
            for n in completed:
                query = update(Booking).where(Booking.id == made[n].booking_id)
                await conn.execute(query.values(status="completed", version=2))
        read = await load(engine, tenant, search)
        return tenant.name_of(read.served_last) if read.served_last else None

    assert await served_last([]) is None
    assert await served_last([0]) == "ana"
    assert await served_last([1]) == "ben"
    assert (await load(engine, tenant, replace(search, customer_id=new_id()))).served_last is None


async def test_those_who_refused_and_all_but_the_one_asked_for_are_left_out(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    ana, ben = tenant.providers["ana"], tenant.providers["ben"]
    search = slot_query(tenant, NOON)
    for changed, names in (
        (replace(search, refused=(ana,)), [ben]),
        (replace(search, refused=(ana, ben)), []),
        (replace(search, provider_id=ben), [ben]),
        (replace(search, provider_id=ben, refused=(ben,)), []),
    ):
        read = await load(engine, tenant, changed)
        assert [provider.schedule.provider_id for provider in read.providers] == names
        assert [candidate.provider_id for candidate in read.bookable_at(NOON)] == names
