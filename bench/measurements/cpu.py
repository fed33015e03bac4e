"""CPU time per booking and process, from the request until it is assigned and its messages are written."""

import asyncio
from collections.abc import Awaitable, Callable

from bench.baseline.processes import BASELINE_WORKER
from bench.load import open_loop
from bench.operations import bare_starts, creates, results
from bench.resource_usage import cpu_between
from bench.results import Row, times_baseline_at_most
from bench.servers import CLIENT
from bench.stats import median_of
from bench.testbed import Testbed
from bench.workload import Workload

RATE = 20
HOLDFAST = ("postgres", "temporal", "worker", "api")
BASELINE = ("postgres", "temporal", BASELINE_WORKER, CLIENT)

_SETTLE_SECONDS = 2.0

Seconds = dict[str, float]


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Alternate bare workflows and Holdfast at 20/s; the processes' idle CPU time is subtracted."""
    idle = await _idle_rates(testbed, workload.idle_seconds)
    # Twice as many as in other measurements: the kernel counts CPU time in ticks of 10 ms for each process.
    count = 2 * workload.operations_at(RATE)
    baseline: list[Seconds] = []
    holdfast: list[Seconds] = []
    for _ in range(workload.rounds):
        baseline.append(await _per_booking(testbed, BASELINE, _baseline_round, count, idle))
        holdfast.append(await _per_booking(testbed, HOLDFAST, _holdfast_round, count, idle))
    return _rows(baseline, holdfast)


async def _idle_rates(testbed: Testbed, seconds: float) -> Seconds:
    """CPU seconds per second without load."""
    names = sorted({*HOLDFAST, *BASELINE})
    await asyncio.sleep(_SETTLE_SECONDS)
    before = testbed.servers.usage(names)
    await asyncio.sleep(seconds)
    return {name: used / seconds for name, used in cpu_between(before, testbed.servers.usage(names)).items()}


async def _per_booking(
    testbed: Testbed,
    names: tuple[str, ...],
    run_round: Callable[[Testbed, int], Awaitable[None]],
    count: int,
    idle: Seconds,
) -> Seconds:
    """CPU milliseconds per booking in one round."""
    loop = asyncio.get_running_loop()
    before, started = testbed.servers.usage(names), loop.time()
    await run_round(testbed, count)
    used, seconds = cpu_between(before, testbed.servers.usage(names)), loop.time() - started
    return {name: (used[name] - idle[name] * seconds) / count * 1000 for name in names}


async def _baseline_round(testbed: Testbed, count: int) -> None:
    await testbed.recorded_at(results(await open_loop(RATE, bare_starts(testbed, count))))


async def _holdfast_round(testbed: Testbed, count: int) -> None:
    await open_loop(RATE, creates(testbed, count))
    await testbed.until_quiet()


def _rows(baseline: list[Seconds], holdfast: list[Seconds]) -> list[Row]:
    totals = [sum(one.values()) for one in holdfast]
    rows = [
        Row(
            "CPU per booking, all processes",
            "ms",
            median_of(totals),
            median_of(sum(one.values()) for one in baseline),
            "bare workflow",
            times_baseline_at_most(1.3),
            totals,
        )
    ]
    for name, other in zip(HOLDFAST, BASELINE, strict=True):
        value = median_of(one[name] for one in holdfast)
        bare = median_of(one[other] for one in baseline)
        rows.append(Row(f"  {name}", "ms", value, bare, "" if name == other else other))
    return rows
