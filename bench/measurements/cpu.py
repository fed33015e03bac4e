"""CPU per booking, from the request until it is assigned and everybody has been told, by process."""

import asyncio
from collections.abc import Awaitable, Callable

from bench.effort import Effort
from bench.floor.processes import FLOOR_WORKER
from bench.operations import bare_starts, creates, results
from bench.pace import open_loop
from bench.processes import cpu_between
from bench.results import Row, times_floor_at_most
from bench.rig import Rig
from bench.servers import CLIENT
from bench.stats import typical

RATE = 20
HOLDFAST = ("postgres", "temporal", "worker", "api")
FLOOR = ("postgres", "temporal", FLOOR_WORKER, CLIENT)

_SETTLE_SECONDS = 2.0

Seconds = dict[str, float]


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Bare workflows and Holdfast take turns at 20/s; what the processes burn when idle is taken off."""
    idle = await _idle_rates(rig, effort.idle_seconds)
    # Twice as many as elsewhere: the kernel counts CPU in ticks of 10 ms, for each process by itself.
    count = 2 * effort.paced(RATE)
    floor: list[Seconds] = []
    own: list[Seconds] = []
    for _ in range(effort.rounds):
        floor.append(await _per_booking(rig, FLOOR, _floor_turn, count, idle))
        own.append(await _per_booking(rig, HOLDFAST, _holdfast_turn, count, idle))
    return _rows(floor, own)


async def _idle_rates(rig: Rig, seconds: float) -> Seconds:
    """CPU seconds a second, with nothing to do."""
    names = sorted({*HOLDFAST, *FLOOR})
    await asyncio.sleep(_SETTLE_SECONDS)
    before = rig.servers.usage(names)
    await asyncio.sleep(seconds)
    return {name: used / seconds for name, used in cpu_between(before, rig.servers.usage(names)).items()}


async def _per_booking(
    rig: Rig, names: tuple[str, ...], turn: Callable[[Rig, int], Awaitable[None]], count: int, idle: Seconds
) -> Seconds:
    """CPU milliseconds per booking of one turn."""
    loop = asyncio.get_running_loop()
    before, started = rig.servers.usage(names), loop.time()
    await turn(rig, count)
    used, seconds = cpu_between(before, rig.servers.usage(names)), loop.time() - started
    return {name: (used[name] - idle[name] * seconds) / count * 1000 for name in names}


async def _floor_turn(rig: Rig, count: int) -> None:
    await rig.recorded_at(results(await open_loop(RATE, bare_starts(rig, count))))


async def _holdfast_turn(rig: Rig, count: int) -> None:
    await open_loop(RATE, creates(rig, count))
    await rig.until_quiet()


def _rows(floor: list[Seconds], own: list[Seconds]) -> list[Row]:
    totals = [sum(turn.values()) for turn in own]
    rows = [
        Row(
            "CPU per booking, all processes",
            "ms",
            typical(totals),
            typical(sum(turn.values()) for turn in floor),
            "bare workflow",
            times_floor_at_most(1.3),
            totals,
        )
    ]
    for name, other in zip(HOLDFAST, FLOOR, strict=True):
        value, beside = typical(turn[name] for turn in own), typical(turn[other] for turn in floor)
        rows.append(Row(f"  {name}", "ms", value, beside, "" if name == other else other))
    return rows
