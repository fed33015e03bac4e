"""Leases: one holder at a time, by PostgreSQL's clock, without waiting."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import autocommit
from db.models import Lease
from db.repositories import leases

LASTS = timedelta(minutes=5)
ME, OTHER = uuid4(), uuid4()


@pytest.fixture
async def name(engine: AsyncEngine) -> AsyncIterator[str]:
    """A lease of this test's own."""
    name = f"test {uuid4().hex[:12]}"
    yield name
    async with engine.begin() as conn:
        await conn.execute(delete(Lease).where(Lease.name == name))


@pytest.fixture
async def conn(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with autocommit(engine) as conn:
        yield conn


async def test_a_lease_has_one_holder_who_may_renew_it(conn: AsyncConnection, name: str) -> None:
    assert await leases.acquire(conn, name, ME, lasts=LASTS)
    assert not await leases.acquire(conn, name, OTHER, lasts=LASTS)
    assert await leases.acquire(conn, name, ME, lasts=LASTS)


async def test_a_lease_that_has_expired_is_anybody_s(conn: AsyncConnection, name: str) -> None:
    assert await leases.acquire(conn, name, ME, lasts=LASTS)
    expired = update(Lease).where(Lease.name == name).values(expires_at=text("now() - interval '1 ms'"))
    await conn.execute(expired)
    assert await leases.acquire(conn, name, OTHER, lasts=LASTS)
    assert not await leases.acquire(conn, name, ME, lasts=LASTS)


async def test_of_many_who_ask_at_once_one_gets_it(engine: AsyncEngine, name: str) -> None:
    async def ask() -> bool:
        async with autocommit(engine) as conn:
            return await leases.acquire(conn, name, uuid4(), lasts=LASTS)

    assert (await asyncio.gather(*(ask() for _ in range(8)))).count(True) == 1


async def test_who_is_refused_waits_for_no_lock(engine: AsyncEngine, conn: AsyncConnection, name: str) -> None:
    assert await leases.acquire(conn, name, ME, lasts=LASTS)
    async with engine.begin() as holder, asyncio.timeout(3):
        assert await leases.acquire(holder, name, ME, lasts=LASTS)  # not committed: the row is locked
        assert not await leases.acquire(conn, name, OTHER, lasts=LASTS)
