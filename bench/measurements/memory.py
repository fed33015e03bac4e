"""Memory and idle CPU with open bookings: few at the beginning of the run, many at the end."""

import asyncio

from bench.load import closed_loop
from bench.operations import CLIENTS, creates
from bench.resource_usage import cpu_between
from bench.results import Row
from bench.testbed import Testbed
from bench.workload import Workload

PROCESSES = ("api", "worker", "temporal")

_OPEN = "SELECT count(*) FROM bookings WHERE status NOT IN ('completed', 'cancelled')"
_SETTLE_SECONDS = 3.0
_BATCH = 1000
"""Bookings created at once: fewer than may wait for their start."""


async def measure_few(testbed: Testbed, workload: Workload) -> list[Row]:
    """Measure with the smallest requested number of open bookings."""
    return await _measure(testbed, workload.open_bookings[0], workload.idle_seconds)


async def measure_many(testbed: Testbed, workload: Workload) -> list[Row]:
    """Measure with each larger number."""
    return [
        row
        for wanted in workload.open_bookings[1:]
        for row in await _measure(testbed, wanted, workload.idle_seconds)
    ]


async def _measure(testbed: Testbed, wanted: int, seconds: float) -> list[Row]:
    there = await _fill(testbed, wanted)
    await asyncio.sleep(_SETTLE_SECONDS)
    return await _read(testbed, there, seconds)


async def _fill(testbed: Testbed, wanted: int) -> int:
    while (there := int(await testbed.database.fetchval(_OPEN))) < wanted:
        await closed_loop(CLIENTS, creates(testbed, min(wanted - there, _BATCH)))
        await testbed.until_quiet()
    return there


async def _read(testbed: Testbed, there: int, seconds: float) -> list[Row]:
    before = testbed.servers.usage(PROCESSES)
    await asyncio.sleep(seconds)
    after = testbed.servers.usage(PROCESSES)
    used = cpu_between(before, after)
    rows = []
    for name in PROCESSES:
        rows.append(Row(f"{name} with {there:,} open, memory", "MB", after[name].memory_bytes / 1e6))
        rows.append(Row(f"{name} with {there:,} open, idle CPU", "%", used[name] / seconds * 100))
    return rows
