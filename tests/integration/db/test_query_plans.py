"""Query plans of the calendar use indexes with some years of bookings in the tables."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import (
    availability,
    compared_payments,
    holds,
    jobs,
    maintenance,
    payments,
    reservations,
    services,
)
from db.repositories.reservations import Appointment
from dev.postgres import EmbeddedPostgres
from domain.assignment import named_choice
from domain.effects import Vendor
from domain.slots import BookingRules, SlotQuery
from domain.zones import epoch
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.volume import volume

Plan = dict[str, Any]


@pytest.fixture(scope="module")
async def busy(postgres: EmbeddedPostgres, settings: Settings) -> AsyncIterator[tuple[AsyncConnection, UUID]]:
    """A connection that sees years of business, and one business of it."""
    async with volume(postgres) as (conn, business_id):
        yield conn, business_id


async def plans(conn: AsyncConnection, act: Callable[[], Awaitable[Any]]) -> list[Plan]:
    """The parts of the plans of every statement that `act` sends: for its values, and for whatever values."""
    driver: Any = (await conn.get_raw_connection()).driver_connection
    sent: list[Any] = []
    with driver.query_logger(sent.append):
        await act()
        await asyncio.sleep(0)  # the driver tells a turn of the loop later
    # The driver's own questions about types are not ours.
    ours = [record for record in sent if record.args and "typeinfo" not in record.query]
    assert ours
    found: list[Plan] = []
    for record in ours:
        explained = await driver.fetchval(f"EXPLAIN (FORMAT JSON) {record.query}", *record.args)
        found += _parts(explained[0]["Plan"])
        await driver.execute(f"SET LOCAL plan_cache_mode = force_generic_plan; PREPARE q AS {record.query}")
        values = ", ".join("NULL" for _ in record.args)
        explained = await driver.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE q({values})")
        found += _parts(explained[0]["Plan"])
        await driver.execute("DEALLOCATE q")
    return found


def _parts(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _parts(part)


ONE_ROW_A_BUSINESS = {"businesses", "external_sources", "services"}
"""A few pages with a hundred rows: to read them through is as good as to look one up."""


def read_whole(found: list[Plan]) -> set[str]:
    """The tables of which everything is read, straight on or along an index."""
    whole = {part["Relation Name"] for part in found if part["Node Type"] == "Seq Scan"}
    aimless = {part["Index Name"] for part in found if "Index Name" in part and "Index Cond" not in part}
    return whole - ONE_ROW_A_BUSINESS | aimless


def conditions(found: list[Plan], index: str) -> set[str]:
    """What is looked up in the index."""
    return {part["Index Cond"] for part in found if part.get("Index Name") == index}


async def question(conn: AsyncConnection, business_id: UUID, days: int, **rules: Any) -> SlotQuery:
    """A query for an hour of anybody's."""
    query = text("SELECT service, customer FROM b WHERE id = :id")
    service_id, customer_id = (await conn.execute(query, {"id": business_id})).one()
    now = datetime.now(UTC)
    return SlotQuery(
        rules=BookingRules(service_id=service_id, duration_minutes=60, **rules),
        zone=ZoneInfo("America/New_York"),
        window=(epoch(now), epoch(now + timedelta(days=days))),
        now=now,
        customer_id=customer_id,
    )


@pytest.mark.parametrize("days", [1, 30, 62])
async def test_a_calendar_is_read_by_index_alone(busy: tuple[AsyncConnection, UUID], days: int) -> None:
    conn, business_id = busy
    query = await question(conn, business_id, days, daily_limit=5)
    found = await plans(conn, lambda: availability.load(conn, business_id, query))
    assert read_whole(found) == set()
    for looked_up in conditions(found, "ex_reservations_no_overlap"):
        assert "provider_id =" in looked_up
        assert "during &&" in looked_up
    for looked_up in conditions(found, "ix_bookings_by_business"):
        assert "starts_at" in looked_up
    read = await availability.load(conn, business_id, query)
    assert len(read.providers) == 5
    assert all(len(provider.schedule.busy) >= days // 5 for provider in read.providers)


async def test_time_is_taken_and_held_by_index_alone(busy: tuple[AsyncConnection, UUID]) -> None:
    conn, business_id = busy
    query = await question(conn, business_id, 1, capacity=10)
    provider_id = (
        await conn.execute(text("SELECT id FROM p WHERE business = :id LIMIT 1"), {"id": business_id})
    ).scalar_one()
    appointment = Appointment(datetime.now(UTC) + timedelta(days=2, minutes=7), query.rules)

    async def take() -> None:
        await reservations.reserve(
            conn, business_id, provider_id=provider_id, booking_id=new_id(), appointment=appointment
        )
        inserted = await holds.insert(
            conn,
            business_id,
            appointment,
            held_by=new_id(),
            choice=named_choice(provider_id),
            promise=None,
            minutes=10,
            limit=5,
        )
        assert not isinstance(inserted, holds.Insertion)

    assert read_whole(await plans(conn, take)) == set()


async def test_a_service_is_found_by_index_alone(busy: tuple[AsyncConnection, UUID]) -> None:
    conn, _ = busy
    found = await plans(conn, lambda: services.find_offering(conn, "volume-50", "repair", user_id=new_id()))
    assert read_whole(found) == set()


async def test_reconciliation_reads_what_is_open_or_has_ended_of_late(busy: tuple[AsyncConnection, UUID]) -> None:
    conn, business_id = busy
    query = text("SELECT service FROM b WHERE id = :id")
    system = (await conn.execute(query, {"id": business_id})).scalar_one()

    async def compare() -> None:
        page = await jobs.list_to_compare(conn, business_id, system, after=maintenance.FIRST_ID, limit=200)
        assert 0 < len(page) < 200  # it has 200, and half of them ended long ago
        assert [row["booking_id"] for row in page] == sorted(row["booking_id"] for row in page)

    found = await plans(conn, compare)
    assert read_whole(found) == set()
    assert any("updated_at >" in looked_up for looked_up in conditions(found, "ix_bookings_ended"))
    assert conditions(found, "ix_bookings_open")


async def test_payments_are_compared_that_may_move_or_moved_of_late(busy: tuple[AsyncConnection, UUID]) -> None:
    conn, business_id = busy

    async def compare() -> None:
        page = await compared_payments.list_to_compare(
            conn, business_id, Vendor.STRIPE, after=maintenance.FIRST_ID, limit=200
        )
        assert 0 < len(page) < 200

    found = await plans(conn, compare)
    assert read_whole(found) == set()
    for index in ("ix_payments_unsettled", "ix_payments_settled", "ix_bookings_open", "ix_bookings_ended"):
        assert conditions(found, index)


async def test_recovery_looks_through_few_bookings(busy: tuple[AsyncConnection, UUID]) -> None:
    conn, _ = busy
    found = await plans(conn, lambda: payments.list_unnotified(conn, limit=200))
    assert read_whole(found) == {"ix_bookings_unpaid"}
    found = await plans(conn, lambda: maintenance.list_open_after(conn, after=maintenance.FIRST_REF, limit=100))
    assert conditions(found, "ix_bookings_open")
    assert read_whole(found) == set()
