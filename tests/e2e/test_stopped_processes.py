"""A process that is stopped (SIGSTOP) and continued later: it does nothing twice and blocks no other process."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories import effect_planning
from dev.demo_business import BUSINESS
from dev.stack import Stack
from domain.effects import EffectKind, Planned, Port, Vendor
from runtime.ids import new_id
from tests.support.e2e.retrying_client import RetryingClient, half_hours

pytestmark = pytest.mark.timeout(240)

_LEASE_SECONDS = 3
_QUICK = {
    "HOLDFAST_EFFECT_HEARTBEAT_SECONDS": "2",
    "HOLDFAST_EFFECT_LEASE_SECONDS": str(_LEASE_SECONDS),
    "HOLDFAST_WORKER_GRACEFUL_SECONDS": "8",
}
_TENANT = "1002003"
"""The demo business's tenant at ServiceTitan."""
_SDK_COMPLETED_TOO_LATE = "Activity not found on completion"
_PAUSE_SECONDS = 0.05


@asynccontextmanager
async def running(stack: Stack, module: str, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """An additional process of the stack; it is killed on exit."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=stack.environment | _QUICK, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def without_its_worker(stack: Stack) -> AsyncIterator[None]:
    """Stop the stack's worker while a test runs its own workers."""
    await stack.stop_process("worker")
    try:
        yield
    finally:
        await stack.start_process("worker")


async def test_a_worker_that_stood_still_between_looking_and_making_makes_no_second_job(
    stack: Stack, stack_engine: AsyncEngine, demo: RetryingClient, vendors: httpx.AsyncClient, tmp_path: Path
) -> None:
    earlier, start = islice(half_hours(300), 2)
    log = tmp_path / "stopped.log"
    async with without_its_worker(stack), running(stack, "worker", log) as stopped:
        known = await _accepted(demo, earlier)  # creates the customer and the location
        assert await _job_effects_end(demo, known) == [("create_job", "done", 1)]
        # Both look-ups are slow: the second is answered while the worker is stopped.
        slow = {"mode": "slow", "seconds": 4, "times": 2}
        await _put(vendors, f"/control/servicetitan/behaviour?account={_TENANT}", slow)
        booking_id = await _accepted(demo, start)
        await _until_requests(vendors, "customer.list", 2)
        stopped.send_signal(signal.SIGSTOP)
        async with running(stack, "worker", tmp_path / "other.log"):
            assert await _job_effects_end(demo, booking_id) == [("create_job", "done", 2)]
            await _until_events_have_positions(stack_engine, booking_id)
            stopped.send_signal(signal.SIGCONT)
            await _until_logged(log, "effect_lease_lost", _SDK_COMPLETED_TOO_LATE)
            stopped.terminate()  # it finishes its current work
            assert await stopped.wait() == 0
    made = Counter(one["key"] for one in await _requests(vendors, "job.create"))
    assert made == {known: 1, booking_id: 1}
    assert "effect_lease_lost" in log.read_text()


async def test_a_relay_that_stands_still_in_the_middle_holds_up_no_other(
    stack: Stack, stack_engine: AsyncEngine, tmp_path: Path
) -> None:
    async with without_its_worker(stack):
        planned = await _plan(stack_engine, 60)
        async with running(stack, "tests.support.e2e.stopping_relay", tmp_path / "stopped.log") as stopped:
            await _until_stopped(stopped)
            async with running(stack, "worker", tmp_path / "other.log"):
                assert set(await _ended(stack_engine, planned)) == {("obsolete", 1)}
                stopped.send_signal(signal.SIGCONT)
                assert await stopped.wait() == 0
                later = await _plan(stack_engine, 5)  # after those that were handed over a second time
                assert set(await _ended(stack_engine, planned + later)) == {("obsolete", 1)}


async def _put(vendors: httpx.AsyncClient, path: str, body: Mapping[str, Any]) -> None:
    (await vendors.put(path, json=body)).raise_for_status()


async def _accepted(demo: RetryingClient, start: datetime) -> str:
    """Create a booking that its provider accepts; returns its id."""
    booking_id: str = (await demo.book(start, service="estimate", key=str(uuid4()))).json()["id"]
    provider = await demo.until_assigned(booking_id)
    assert (await demo.command(provider, booking_id, "accept", key=booking_id)).status_code == 200
    return booking_id


async def _requests(vendors: httpx.AsyncClient, action: str) -> list[dict[str, Any]]:
    """The requests to ServiceTitan with this action."""
    answer = await vendors.get("/control/ledger", params={"vendor": "servicetitan", "action": action})
    entries: list[dict[str, Any]] = answer.raise_for_status().json()["entries"]
    return entries


async def _until_requests(vendors: httpx.AsyncClient, action: str, times: int) -> None:
    async with asyncio.timeout(60):
        while len(await _requests(vendors, action)) < times:
            await asyncio.sleep(_PAUSE_SECONDS)


async def _job_effects_end(demo: RetryingClient, booking_id: str) -> list[tuple[str, str, int]]:
    """Kind, state and attempts of each job effect, when none is open."""
    async with asyncio.timeout(90):
        while True:
            answer = await demo.call_until_answered("owner", "GET", f"/v1/bookings/{booking_id}/jobs")
            found = [one for one in answer.raise_for_status().json()["items"] if one["vendor"] == "servicetitan"]
            if all(one["state"] not in ("pending", "running", "retrying") for one in found):
                return [(one["kind"], one["state"], one["attempts"]) for one in found]
            await asyncio.sleep(_PAUSE_SECONDS)


async def _until_logged(log: Path, *words: str) -> None:
    """Wait until the log contains one of these texts."""
    async with asyncio.timeout(30):
        while not any(word in log.read_text() for word in words):  # noqa: ASYNC240  # a small file
            await asyncio.sleep(_PAUSE_SECONDS)


async def _until_events_have_positions(engine: AsyncEngine, booking_id: str) -> None:
    """Wait until each of the booking's events has its position in the stream."""
    left = text("SELECT count(*) FROM events WHERE subject = :subject AND position IS NULL")
    async with asyncio.timeout(20), engine.connect() as conn:
        while (await conn.execute(left, {"subject": booking_id})).scalar_one():
            await asyncio.sleep(_PAUSE_SECONDS)


async def _until_stopped(process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while _state_of(process.pid) != "T":
            assert process.returncode is None
            await asyncio.sleep(_PAUSE_SECONDS)


def _state_of(pid: int) -> str:
    """The state of a process; `T` is stopped: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def _plan(engine: AsyncEngine, count: int) -> list[UUID]:
    """Plan deliveries to deleted endpoints: each attempt finds nothing to do."""
    planned = []
    async with engine.begin() as conn:
        business = await conn.execute(text("SELECT id FROM businesses WHERE slug = :slug"), {"slug": BUSINESS})
        business_id = business.scalar_one()
        for _ in range(count):
            subject = {"event_id": str(new_id())}
            one = Planned(
                kind=EffectKind.DELIVER_WEBHOOK, port=Port.WEBHOOKS, key=subject["event_id"], subject=subject
            )
            planned.append(
                await effect_planning.plan_with(
                    conn, business_id, None, one, vendor=Vendor.WEBHOOK, target_id=None
                )
            )
    return [one for one in planned if one is not None]


async def _ended(engine: AsyncEngine, planned: list[UUID]) -> list[tuple[str, int]]:
    """State and attempts of each effect, when all have ended: within seconds after a worker starts."""
    query = text("SELECT state, attempts FROM effects WHERE id = ANY(CAST(:ids AS uuid[]))")
    async with asyncio.timeout(25), engine.connect() as conn:
        while True:
            found = [(row.state, row.attempts) for row in await conn.execute(query, {"ids": planned})]
            if all(state not in ("pending", "running", "retrying") for state, _ in found):
                return found
            await asyncio.sleep(_PAUSE_SECONDS)
