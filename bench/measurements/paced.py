"""Creating at a fixed rate, and the time from the 201 to `assigned`."""

from dataclasses import dataclass, field
from uuid import UUID

from bench.load import Sample, open_loop
from bench.operations import bare_starts, baseline_creates, creates, results
from bench.results import Row, at_most, below, times_baseline_at_most
from bench.stats import Latency
from bench.testbed import Testbed
from bench.workload import Workload

RATES = (20, 50)
ASSIGNED_RATE = 20


@dataclass(slots=True)
class _Series:
    """Latencies of all rounds, in seconds."""

    baseline: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    creates: list[float] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    assigned: list[float] = field(default_factory=list)


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Alternate the baseline's handler, bare workflow starts and Holdfast at each rate."""
    rows = []
    for rate in RATES:
        series = _Series()
        for _ in range(workload.rounds):
            await _round(testbed, rate, workload.operations_at(rate), series)
        rows += _create_rows(rate, series)
        if rate == ASSIGNED_RATE:
            rows += _assigned_rows(rate, series)
    return rows


async def _round(testbed: Testbed, rate: int, count: int, series: _Series) -> None:
    handled = await open_loop(rate, baseline_creates(testbed, count))
    series.baseline += [sample.seconds for sample in handled]
    started = await open_loop(rate, bare_starts(testbed, count))
    series.starts += [sample.seconds for sample in started]
    # The baseline's time begins with the start call: in Holdfast that call also follows the 201.
    series.recorded += delays({s.result: s.due_at for s in started}, await testbed.recorded_at(results(started)))
    created = await open_loop(rate, creates(testbed, count))
    series.creates += [sample.seconds for sample in created]
    await testbed.until_quiet()
    series.assigned += await until_assigned(testbed, created)


async def until_assigned(testbed: Testbed, created: list[Sample[UUID]]) -> list[float]:
    """Seconds from each 201, as the client received it, to the commit of `assigned`."""
    answered = {sample.result: sample.answered_at for sample in created}
    return delays(answered, await testbed.assigned_at(results(created)))


def delays(since: dict[UUID, float], until: dict[UUID, float]) -> list[float]:
    """Seconds between two times with the same key; 0 if a step was committed before the client read its answer."""
    return [max(until[key] - moment, 0.0) for key, moment in since.items()]


def _create_rows(rate: int, series: _Series) -> list[Row]:
    baseline, starts, holdfast = Latency.of(series.baseline), Latency.of(series.starts), Latency.of(series.creates)
    name = f"create at {rate}/s"
    p99_goal = below(50) if rate == max(RATES) else None
    return [
        Row(f"{name}, p50", "ms", holdfast.p50, baseline.p50, "bare handler", times_baseline_at_most(2)),
        Row(f"{name}, p99", "ms", holdfast.p99, baseline.p99, "bare handler", p99_goal),
        Row(f"{name}, p50", "ms", holdfast.p50, starts.p50, "bare start call"),
        Row(f"{name}, p99", "ms", holdfast.p99, starts.p99, "bare start call"),
    ]


def _assigned_rows(rate: int, series: _Series) -> list[Row]:
    baseline, holdfast = Latency.of(series.recorded), Latency.of(series.assigned)
    name = f"201 to assigned at {rate}/s"
    return [
        Row(f"{name}, p50", "ms", holdfast.p50, baseline.p50, "bare workflow", at_most(15)),
        Row(f"{name}, p99", "ms", holdfast.p99, baseline.p99, "bare workflow"),
    ]
