"""A burst from 20 clients: throughput of creating, and of assigning a provider."""

from dataclasses import dataclass, field

from bench.load import closed_loop
from bench.operations import CLIENTS, bare_starts, baseline_creates, creates, results
from bench.results import Row, times_baseline_at_least
from bench.stats import median_of, throughput
from bench.testbed import Testbed
from bench.workload import Workload


@dataclass(slots=True)
class _Rates:
    """Operations per second, one value per round."""

    baseline: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    creates: list[float] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    drained: list[float] = field(default_factory=list)


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Alternate the baseline's handler, bare workflows and Holdfast."""
    rates = _Rates()
    for _ in range(workload.burst_rounds):
        await _baseline_round(testbed, workload.burst, rates)
        await _holdfast_round(testbed, workload.burst, rates)
    return _rows(workload.burst, rates)


async def _baseline_round(testbed: Testbed, count: int, rates: _Rates) -> None:
    _, seconds = await closed_loop(CLIENTS, baseline_creates(testbed, count))
    rates.baseline.append(throughput(count, seconds))
    started, seconds = await closed_loop(CLIENTS, bare_starts(testbed, count))
    rates.starts.append(throughput(count, seconds))
    recorded = await testbed.recorded_at(results(started))
    rates.recorded.append(throughput(count, max(recorded.values()) - min(s.due_at for s in started)))


async def _holdfast_round(testbed: Testbed, count: int, rates: _Rates) -> None:
    created, seconds = await closed_loop(CLIENTS, creates(testbed, count))
    rates.creates.append(throughput(count, seconds))
    await testbed.until_quiet()
    assigned = await testbed.assigned_at(results(created))
    rates.drained.append(throughput(count, max(assigned.values()) - min(s.due_at for s in created)))


def _rows(count: int, rates: _Rates) -> list[Row]:
    creating, drained = median_of(rates.creates), median_of(rates.drained)
    name = f"burst of {count:,} from {CLIENTS} clients"
    half, most = times_baseline_at_least(0.5), times_baseline_at_least(0.7)
    return [
        Row(f"{name}, created", "1/s", creating, median_of(rates.baseline), "bare handler", half, rates.creates),
        Row(f"{name}, created", "1/s", creating, median_of(rates.starts), "bare start call", None, rates.creates),
        Row(f"{name}, assigned", "1/s", drained, median_of(rates.recorded), "bare workflow", most, rates.drained),
    ]
