"""A burst from 20 clients: how fast it is taken, and how fast every booking has its provider."""

from dataclasses import dataclass, field

from bench.effort import Effort
from bench.operations import CLIENTS, bare_starts, creates, floor_creates, results
from bench.pace import closed_loop
from bench.results import Row, times_floor_at_least
from bench.rig import Rig
from bench.stats import throughput, typical


@dataclass(slots=True)
class _Rates:
    """Per second, one of each a round."""

    floor: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    creates: list[float] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    drained: list[float] = field(default_factory=list)


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Floor, bare workflows and Holdfast take turns."""
    rates = _Rates()
    for _ in range(effort.burst_rounds):
        await _floor_round(rig, effort.burst, rates)
        await _holdfast_round(rig, effort.burst, rates)
    return _rows(effort.burst, rates)


async def _floor_round(rig: Rig, count: int, rates: _Rates) -> None:
    _, seconds = await closed_loop(CLIENTS, floor_creates(rig, count))
    rates.floor.append(throughput(count, seconds))
    started, seconds = await closed_loop(CLIENTS, bare_starts(rig, count))
    rates.starts.append(throughput(count, seconds))
    recorded = await rig.recorded_at(results(started))
    rates.recorded.append(throughput(count, max(recorded.values()) - min(s.due_at for s in started)))


async def _holdfast_round(rig: Rig, count: int, rates: _Rates) -> None:
    created, seconds = await closed_loop(CLIENTS, creates(rig, count))
    rates.creates.append(throughput(count, seconds))
    await rig.until_quiet()
    assigned = await rig.assigned_at(results(created))
    rates.drained.append(throughput(count, max(assigned.values()) - min(s.due_at for s in created)))


def _rows(count: int, rates: _Rates) -> list[Row]:
    creating, drained = typical(rates.creates), typical(rates.drained)
    name = f"burst of {count:,} from {CLIENTS} clients"
    half, most = times_floor_at_least(0.5), times_floor_at_least(0.7)
    return [
        Row(f"{name}, created", "1/s", creating, typical(rates.floor), "bare handler", half, rates.creates),
        Row(f"{name}, created", "1/s", creating, typical(rates.starts), "bare start call", None, rates.creates),
        Row(f"{name}, assigned", "1/s", drained, typical(rates.recorded), "bare workflow", most, rates.drained),
    ]
