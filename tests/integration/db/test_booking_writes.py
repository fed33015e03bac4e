"""Inserting a booking: all or nothing, with the reason for a refusal."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories import bookings
from db.repositories.booking_writes import Insertion
from db.repositories.idempotency import Key
from domain.booking import BookingState
from tests.support.booking_states import booking_state, stored
from tests.support.factories import Tenant, future, insert_booking, make_booking, make_tenant

_TABLES = ("bookings", "reservations", "booking_history", "events", "idempotency_keys")


async def insert(engine: AsyncEngine, tenant: Tenant, state: BookingState, **changes: Any) -> Insertion:
    """Insert as creating does: committed only when booked."""
    async with engine.connect() as conn, conn.begin() as transaction:
        insertion = await insert_booking(conn, tenant, state, **changes)
        if insertion is not Insertion.BOOKED:
            await transaction.rollback()
    return insertion


async def rows_of(engine: AsyncEngine, tenant: Tenant) -> dict[str, int]:
    """How many rows the business has in each table that creating writes to."""
    counts = ", ".join(f"(SELECT count(*) FROM {name} WHERE business_id = :id) AS {name}" for name in _TABLES)
    async with engine.connect() as conn:
        row = (await conn.execute(text(f"SELECT {counts}"), {"id": tenant.business_id})).mappings().one()
    return dict(row)


async def test_a_booking_comes_with_its_time_its_history_its_event_and_its_key(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    state = booking_state(tenant)
    assert await insert(engine, tenant, state) is Insertion.BOOKED
    assert await rows_of(engine, tenant) == dict.fromkeys(_TABLES, 1)
    assert await stored(engine, state) == state


async def test_without_a_provider_nobody_s_time_is_taken(engine: AsyncEngine, tenant: Tenant) -> None:
    state = booking_state(tenant, provider=None)
    assert await insert(engine, tenant, state) is Insertion.BOOKED
    assert await rows_of(engine, tenant) == dict.fromkeys(_TABLES, 1) | {"reservations": 0}
    assert await stored(engine, state) == state


async def test_a_key_that_was_used_stops_everything(engine: AsyncEngine, tenant: Tenant) -> None:
    await insert(engine, tenant, booking_state(tenant), key=Key("tests", "same", "0"))
    second = await insert(
        engine, tenant, booking_state(tenant, starts_at=future(300)), key=Key("tests", "same", "0")
    )
    assert second is Insertion.KEY_USED
    assert await rows_of(engine, tenant) == dict.fromkeys(_TABLES, 1)


async def test_the_same_key_in_another_scope_is_another_key(engine: AsyncEngine, tenant: Tenant) -> None:
    first, second = booking_state(tenant), booking_state(tenant, provider="ben")
    assert await insert(engine, tenant, first, key=Key("casey", "same", "0")) is Insertion.BOOKED
    assert await insert(engine, tenant, second, key=Key("robin", "same", "0")) is Insertion.BOOKED


async def test_a_time_that_is_taken_leaves_nothing_behind(engine: AsyncEngine, tenant: Tenant) -> None:
    await insert(engine, tenant, booking_state(tenant))
    second = await insert(engine, tenant, booking_state(tenant))
    assert second is Insertion.TIME_TAKEN
    assert await rows_of(engine, tenant) == dict.fromkeys(_TABLES, 1)


async def test_a_reference_that_is_taken_says_so_by_itself(engine: AsyncEngine, tenant: Tenant) -> None:
    same = {"reference": "SAME234"}
    await insert(engine, tenant, booking_state(tenant).model_copy(update=same))
    second = await insert(engine, tenant, booking_state(tenant, provider="ben").model_copy(update=same))
    assert second is Insertion.REFERENCE_USED
    assert await rows_of(engine, tenant) == dict.fromkeys(_TABLES, 1)


async def test_the_first_history_row_is_gapless_s_beginning(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    async with engine.connect() as conn:
        [row] = await bookings.list_history(conn, tenant.business_id, state.booking_id)
    assert (row["sequence"], row["kind"], row["old_status"], row["new_status"]) == (1, "created", None, "pending")


async def test_the_event_of_a_creation_says_who_what_and_when(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    async with engine.connect() as conn:
        query = text("SELECT * FROM events WHERE business_id = :id")
        event = (await conn.execute(query, {"id": tenant.business_id})).mappings().one()
    assert event["type"] == "scheduling.booking.created"
    assert event["subject"] == str(state.booking_id)
    assert set(event["data"]) == {"bookingId", "providerId", "customerId", "startTime", "endTime", "status"}
    assert event["data"]["customerId"] == str(tenant.customer_id)
    assert event["data"]["status"] == "pending"


async def test_another_tenant_s_look_finds_no_booking(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant)
    other = await make_tenant(engine)
    async with engine.connect() as conn:
        assert await bookings.find_state(conn, other.business_id, state.booking_id) is None
        assert await bookings.list_history(conn, other.business_id, state.booking_id) == []


@pytest.mark.parametrize("text_value", ["ünïcödé 🛠", "'; DROP TABLE bookings; --", '{"a": "\\u0041"}'])
async def test_what_people_write_is_stored_as_they_wrote_it(
    engine: AsyncEngine, tenant: Tenant, text_value: str
) -> None:
    address = {"line1": text_value, "city": "X", "country": "US"}
    await insert(engine, tenant, booking_state(tenant), notes=text_value, address=address)
    async with engine.connect() as conn:
        query = text("SELECT notes, address FROM bookings WHERE business_id = :id")
        row = (await conn.execute(query, {"id": tenant.business_id})).mappings().one()
    assert (row["notes"], row["address"]["line1"]) == (text_value, text_value)
