"""Memory and idle CPU with many open bookings. It fills the database, so it comes last."""

import asyncio

from bench.effort import Effort
from bench.operations import CLIENTS, creates
from bench.pacing import closed_loop
from bench.processes import cpu_between
from bench.results import Row
from bench.rig import Rig

PROCESSES = ("api", "worker", "temporal")

_OPEN = "SELECT count(*) FROM bookings WHERE status NOT IN ('completed', 'cancelled')"
_SETTLE_SECONDS = 3.0
_BATCH = 1000
"""Bookings made at once: fewer than may wait for their start."""


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """One reading at each number of open bookings; more that are open already stay open."""
    rows = []
    for wanted in effort.open_bookings:
        there = await _fill(rig, wanted)
        await asyncio.sleep(_SETTLE_SECONDS)
        rows += await _read(rig, there, effort.idle_seconds)
    return rows


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
