"""PostgreSQL prevents overlapping live reservations of one provider under concurrency."""

import asyncio
import random
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories import availability, reservations
from db.repositories.booking_writes import Insertion
from domain.booking import BookingState
from tests.support.booking_states import booking_state, slot_query
from tests.support.factories import Tenant, future, insert_booking, make_booking

START = future(200)

_RAW = text("""
INSERT INTO reservations (id, session_id, business_id, provider_id, booking_id, during)
VALUES (gen_random_uuid(), gen_random_uuid(), :business_id, :provider_id, :booking_id,
        tstzrange(:starts_at, :ends_at))
""")


async def insert_raw(engine: AsyncEngine, booking: BookingState, provider_id: UUID, starts_at: datetime) -> None:
    """Take an hour with a bare INSERT, past every check in code."""
    async with engine.begin() as conn:
        await conn.execute(
            _RAW,
            {
                "business_id": booking.business_id,
                "provider_id": provider_id,
                "booking_id": booking.booking_id,
                "starts_at": starts_at,
                "ends_at": starts_at + timedelta(hours=1),
            },
        )


async def closed_booking(engine: AsyncEngine, tenant: Tenant) -> BookingState:
    """A booking that no workflow will be started for, so that nobody meets what a test does behind its back."""
    state = await make_booking(engine, tenant, starts_at=START, provider=None)
    async with engine.begin() as conn:
        close = text("UPDATE bookings SET status = 'cancelled', version = 2 WHERE id = :id")
        await conn.execute(close, {"id": state.booking_id})
    return state


async def free(engine: AsyncEngine, tenant: Tenant, starts_at: datetime) -> set[str]:
    """The names of those who could take an hour then."""
    async with engine.connect() as conn:
        read = await availability.load(conn, tenant.business_id, slot_query(tenant, starts_at))
    return {tenant.name_of(candidate.provider_id) for candidate in read.free_at(starts_at)}


@pytest.mark.parametrize("minutes", [-59, -30, 0, 30, 59])
async def test_even_a_bare_insert_cannot_overlap(engine: AsyncEngine, tenant: Tenant, minutes: int) -> None:
    await make_booking(engine, tenant, starts_at=START)
    other = await closed_booking(engine, tenant)
    with pytest.raises(IntegrityError, match="ex_reservations_no_overlap"):
        await insert_raw(engine, other, tenant.providers["ana"], START + timedelta(minutes=minutes))


@pytest.mark.parametrize("minutes", [-60, 60])
async def test_appointments_may_touch(engine: AsyncEngine, tenant: Tenant, minutes: int) -> None:
    await make_booking(engine, tenant, starts_at=START)
    other = await closed_booking(engine, tenant)
    await insert_raw(engine, other, tenant.providers["ana"], START + timedelta(minutes=minutes))


async def test_another_provider_s_time_is_their_own(engine: AsyncEngine, tenant: Tenant) -> None:
    await make_booking(engine, tenant, starts_at=START)
    other = await closed_booking(engine, tenant)
    await insert_raw(engine, other, tenant.providers["ben"], START)


async def test_a_booking_holds_one_stretch_of_time_at_most(engine: AsyncEngine, tenant: Tenant) -> None:
    booking = await make_booking(engine, tenant, starts_at=START)
    with pytest.raises(IntegrityError, match="uq_reservations_booking_id"):
        await insert_raw(engine, booking, tenant.providers["ben"], START)


async def test_24_clients_on_10_slots_meet_no_deadlock_and_each_slot_has_one_winner(
    engine: AsyncEngine, tenant: Tenant
) -> None:
    slots = [START + timedelta(hours=n) for n in range(10)]

    async def try_all() -> list[datetime]:
        return [slot for slot in random.sample(slots, len(slots)) if await try_to_book(engine, tenant, slot)]

    won = [slot for slots_won in await asyncio.gather(*(try_all() for _ in range(24))) for slot in slots_won]
    assert sorted(won) == slots


async def try_to_book(engine: AsyncEngine, tenant: Tenant, slot: datetime) -> bool:
    """What creating does, in a transaction of its own."""
    state = booking_state(tenant, starts_at=slot)
    async with engine.connect() as conn, conn.begin() as transaction:
        is_booked = await insert_booking(conn, tenant, state) is Insertion.BOOKED
        if not is_booked:
            await transaction.rollback()
        return is_booked


async def test_who_is_busy_is_not_free_and_who_is_released_is(engine: AsyncEngine, tenant: Tenant) -> None:
    booking = await make_booking(engine, tenant, starts_at=START)
    assert await free(engine, tenant, START) == {"ben"}
    assert await free(engine, tenant, START + timedelta(minutes=59)) == {"ben"}
    assert await free(engine, tenant, START + timedelta(minutes=60)) == {"ana", "ben"}
    async with engine.begin() as conn:
        await reservations.release(conn, tenant.business_id, booking.booking_id)
    assert await free(engine, tenant, START) == {"ana", "ben"}
