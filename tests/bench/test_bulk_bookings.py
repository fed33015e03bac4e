"""The generated bookings on a real PostgreSQL, and the baseline's slots compared with Holdfast's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg
import orjson
import pytest

from bench import database, tenant
from bench.baseline.slots import SLOTS
from bench.bulk_bookings import BUSY_PER_DAY, BulkBookings
from bench.slot_requests import read_calendar
from bench.tenant import NINE_TO_FIVE, PROVIDERS, Tenant
from db.__main__ import main as db_main
from dev.postgres import EmbeddedPostgres
from domain.zones import epoch

BUSINESS = Tenant("bench-isolated", NINE_TO_FIVE)
DAYS = 3


@pytest.fixture
async def url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A migrated database with the business."""
    async with database.temporary_database(postgres.url) as made:
        assert await asyncio.to_thread(db_main, ["upgrade", "--database-url", made]) == 0
        await tenant.load(made, BUSINESS)
        yield made


async def test_the_baseline_answers_as_holdfast_does_while_bookings_pile_up(url: str) -> None:
    connection = await asyncpg.connect(url)
    history, first = BulkBookings(connection, BUSINESS), datetime.now(NINE_TO_FIVE.zone).date() + timedelta(days=1)
    try:
        await history.grow_to(1_000)
        free = await _same_answers(connection, url, first)
        assert await history.count() == 1_000
        assert all(len(providers) == PROVIDERS for providers in free.values())
        await history.fill(first, DAYS)
        assert await history.count() == 1_000 + DAYS * BUSY_PER_DAY * PROVIDERS
        assert 0 < _offers(await _same_answers(connection, url, first)) < _offers(free) / 2
        await tenant.give_own_hours(url, BUSINESS)
        assert min(await _same_answers(connection, url, first)) < min(free)
    finally:
        await connection.close()


def _offers(slots: dict[int, set[UUID]]) -> int:
    return sum(len(providers) for providers in slots.values())


async def _same_answers(connection: asyncpg.Connection, url: str, first: date) -> dict[int, set[UUID]]:
    """The free providers of each start, which must be the same on both sides."""
    last = first + timedelta(days=DAYS)
    body = await connection.fetchval(SLOTS, BUSINESS.business_id, BUSINESS.service_id, None, first, last)
    baseline = {
        epoch(datetime.fromisoformat(slot["starts_at"])): {UUID(key) for key in slot["provider_ids"]}
        for slot in orjson.loads(body)["items"]
    }
    calendar = await read_calendar(url, BUSINESS, first, DAYS)
    own = {slot.starts_at: set(slot.provider_ids) for slot in calendar.slots()}
    assert baseline == own
    return own
