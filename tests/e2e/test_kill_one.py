"""Any single process may be killed while bookings are created: nothing is lost, nothing is duplicated."""

import asyncio
from datetime import datetime
from itertools import islice
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from dev.stack import Stack
from tests.support.e2e.invariants import assert_consistent
from tests.support.e2e.retrying_client import RetryingClient, half_hours

BOOKINGS = 200
CLIENTS = 10
_FIRST_DAY = {"worker": 30, "api": 60, "temporal": 90, "postgres": 120}


@pytest.mark.parametrize("victim", ["worker", "api", "temporal", "postgres"])
async def test_killing_a_process_during_200_bookings_loses_and_doubles_nothing(
    stack: Stack, stack_engine: AsyncEngine, demo: RetryingClient, victim: str
) -> None:
    starts = list(islice(half_hours(_FIRST_DAY[victim]), BOOKINGS // 2))
    cho_and_ana = [provider for provider, login in demo.providers.items() if login in ("ana", "cho")]
    remaining = asyncio.Queue[tuple[datetime, str]]()
    for start in starts:
        for provider in cho_and_ana:
            remaining.put_nowait((start, provider))
    made: list[str] = []
    some_made = asyncio.Event()

    async def keep_booking() -> None:
        while not remaining.empty():
            start, provider = remaining.get_nowait()
            answer = await demo.book(start, service="estimate", key=str(uuid4()), provider=provider)
            assert answer.status_code == 201, answer.text
            made.append(answer.json()["id"])
            if len(made) >= BOOKINGS // 4:
                some_made.set()

    async def kill() -> None:
        await some_made.wait()
        await stack.process(victim).kill()

    async with asyncio.timeout(90), asyncio.TaskGroup() as group:
        group.create_task(kill())
        for _ in range(CLIENTS):
            group.create_task(keep_booking())
    assert len(set(made)) == BOOKINGS
    await _until_all_assigned(stack_engine, made)
    await assert_consistent(stack_engine, made)
    await _assert_stored_once(stack_engine, starts)


async def _until_all_assigned(engine: AsyncEngine, ids: list[str]) -> None:
    waiting = text("SELECT count(*) FROM bookings WHERE id = ANY(CAST(:ids AS uuid[])) AND status <> 'assigned'")
    async with asyncio.timeout(60), engine.connect() as conn:
        while (await conn.execute(waiting, {"ids": ids})).scalar_one():
            await asyncio.sleep(0.1)


async def _assert_stored_once(engine: AsyncEngine, starts: list[datetime]) -> None:
    stored = text("SELECT count(*) FROM bookings WHERE starts_at BETWEEN :first AND :last")
    async with engine.connect() as conn:
        count = (await conn.execute(stored, {"first": starts[0], "last": starts[-1]})).scalar_one()
    assert count == BOOKINGS
