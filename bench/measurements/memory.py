"""Memory and idle CPU with open bookings: with few of them before anything else, with many at the end."""

import asyncio

from bench.effort import Effort
from bench.operations import CLIENTS, creates
from bench.pace import closed_loop
from bench.processes import cpu_between
from bench.results import Row
from bench.rig import Rig

PROCESSES = ("api", "worker", "temporal")

_OPEN = "SELECT count(*) FROM bookings WHERE status NOT IN ('completed', 'cancelled')"
_SETTLE_SECONDS = 3.0
_BATCH = 1000
"""Bookings made at once: fewer than may wait for their start."""


async def measure_few(rig: Rig, effort: Effort) -> list[Row]:
    """One reading with as many open bookings as the smallest number asked for."""
    return await _measure(rig, effort.open_bookings[0], effort.idle_seconds)


async def measure_many(rig: Rig, effort: Effort) -> list[Row]:
    """One reading for each greater number; nothing where there is none."""
    return [row for wanted in effort.open_bookings[1:] for row in await _measure(rig, wanted, effort.idle_seconds)]


async def _measure(rig: Rig, wanted: int, seconds: float) -> list[Row]:
    there = await _fill(rig, wanted)
    await asyncio.sleep(_SETTLE_SECONDS)
    return await _read(rig, there, seconds)


async def _fill(rig: Rig, wanted: int) -> int:
    while (there := int(await rig.database.fetchval(_OPEN))) < wanted:
        await closed_loop(CLIENTS, creates(rig, min(wanted - there, _BATCH)))
        await rig.until_quiet()
    return there


async def _read(rig: Rig, there: int, seconds: float) -> list[Row]:
    before = rig.servers.usage(PROCESSES)
    await asyncio.sleep(seconds)
    after = rig.servers.usage(PROCESSES)
    used = cpu_between(before, after)
    rows = []
    for name in PROCESSES:
        rows.append(Row(f"{name} with {there:,} open, memory", "MB", after[name].memory_bytes / 1e6))
        rows.append(Row(f"{name} with {there:,} open, idle CPU", "%", used[name] / seconds * 100))
    return rows
