"""Live streams: the time from a commit to the clients that hear of it, and what clients cost who only listen.

One client listens to the whole business, the others each to what a customer may hear.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from uuid import UUID

from bench import database
from bench.event_listener import EventListener, Heard, listening
from bench.load import open_loop
from bench.operations import creates, results
from bench.resource_usage import cpu_between
from bench.results import Goal, Row, below, times_baseline_at_most
from bench.stats import Latency
from bench.testbed import Testbed
from bench.workload import Workload
from dev.ports import LOOPBACK

RATE: Final = 20
BUSY_RATE: Final = 50

_GOALS: Final[dict[int, tuple[Goal, Goal]]] = {100: (below(30), below(150))}
"""For the 50th and the 99th percentile, by the number of clients."""
_STEPS: Final = {"scheduling.booking.created": 1, "scheduling.booking.assigned": 2}
"""The step of each event whose time is measured."""
_POLL_SECONDS: Final = 0.1
_SETTLE_SECONDS: Final = 2.0


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Commit to client with few and with many clients; then what many clients cost."""
    rows: list[Row] = []
    for count in workload.listeners:
        rows += await _commit_to_client(testbed, workload, count)
    most = max(workload.listeners)
    return [*rows, await _idle_cpu(testbed, workload, most), *await _creating(testbed, workload, most)]


def _clients(testbed: Testbed, count: int) -> AbstractAsyncContextManager[list[EventListener]]:
    """So many clients, that of the business first."""
    tenant = testbed.tenant
    streams = [("/v1/events", testbed.token(tenant.owner))]
    for number in range(count - 1):
        customer = tenant.customers[number % len(tenant.customers)]
        streams.append(("/v1/me/events", testbed.token(customer)))
    return listening(LOOPBACK, testbed.servers.stack.settings.api_port, streams)


# --- commit to client -------------------------------------------------------------------------------------------


async def _commit_to_client(testbed: Testbed, workload: Workload, count: int) -> list[Row]:
    async with _clients(testbed, count) as listeners:
        created = await open_loop(RATE, creates(testbed, workload.rounds * workload.operations_at(RATE)))
        await testbed.until_quiet()
        await _until_all_is_heard(testbed, listeners)
        heard = [one for listener in listeners for one in listener.take()]
    latency = Latency.of(_delays(heard, await _committed_at(testbed, results(created))))
    name = f"commit to client at {RATE}/s, {count:,} client{'s' * (count > 1)}"
    p50, p99 = _GOALS.get(count, (None, None))
    return [
        Row(f"{name}, p50", "ms", latency.p50, goal=p50),
        Row(f"{name}, p99", "ms", latency.p99, goal=p99),
    ]


async def _until_all_is_heard(testbed: Testbed, listeners: Sequence[EventListener]) -> None:
    """Wait until every event has its position and no client has heard anything new for a moment."""
    before = -1
    while before != (now := sum(one.count for one in listeners)) or await testbed.database.fetchval(_UNPLACED):
        before = now
        await asyncio.sleep(_POLL_SECONDS)


_UNPLACED: Final = "SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)"


async def _committed_at(testbed: Testbed, ids: Sequence[UUID]) -> dict[tuple[UUID, int], float]:
    """Commit times of the measured steps: seconds since the epoch."""
    found = await testbed.database.fetch(database.STEPS_AT, list(ids), sorted(_STEPS.values()))
    return {(row["id"], row["sequence"]): row["at"] for row in found}


def _delays(heard: Sequence[Heard], committed: dict[tuple[UUID, int], float]) -> list[float]:
    """Seconds from the commit of a booking's step until a client had it, for each client that heard of it."""
    steps = ((one.at, (one.booking_id, _STEPS.get(one.type, 0))) for one in heard)
    return [max(at - committed[step], 0.0) for at, step in steps if step in committed]


# --- what clients cost ------------------------------------------------------------------------------------------


async def _idle_cpu(testbed: Testbed, workload: Workload, count: int) -> Row:
    alone = await _api_cpu(testbed, workload.idle_seconds)
    async with _clients(testbed, count):
        used = await _api_cpu(testbed, workload.idle_seconds)
    return Row(f"CPU of the API with {count:,} idle clients", "%", used, alone, "no clients")


async def _api_cpu(testbed: Testbed, seconds: float) -> float:
    """Percent of one core."""
    await asyncio.sleep(_SETTLE_SECONDS)
    before = testbed.servers.usage(["api"])
    await asyncio.sleep(seconds)
    return cpu_between(before, testbed.servers.usage(["api"]))["api"] / seconds * 100


async def _creating(testbed: Testbed, workload: Workload, count: int) -> list[Row]:
    """Alternate creating without and with clients."""
    alone: list[float] = []
    heard: list[float] = []
    for _ in range(workload.rounds):
        for series, clients in ((alone, _nobody()), (heard, _clients(testbed, count))):
            async with clients:
                made = await open_loop(BUSY_RATE, creates(testbed, workload.operations_at(BUSY_RATE)))
                await testbed.until_quiet()
            series += [sample.seconds for sample in made]
    without, with_ = Latency.of(alone), Latency.of(heard)
    name = f"create at {BUSY_RATE}/s with {count:,} listeners"
    return [
        Row(f"{name}, p50", "ms", with_.p50, without.p50, "no listeners", times_baseline_at_most(1.1)),
        Row(f"{name}, p99", "ms", with_.p99, without.p99, "no listeners"),
    ]


@asynccontextmanager
async def _nobody() -> AsyncIterator[list[EventListener]]:
    yield []
