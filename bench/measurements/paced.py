"""Creating at a steady rate, and the time from the 201 to `assigned`."""

from dataclasses import dataclass, field
from uuid import UUID

from bench.effort import Effort
from bench.operations import bare_starts, creates, floor_creates, results
from bench.pace import Sample, open_loop
from bench.results import Row, at_most, below, times_floor_at_most
from bench.rig import Rig
from bench.stats import Latency

RATES = (20, 50)
ASSIGNED_RATE = 20


@dataclass(slots=True)
class _Series:
    """Latencies in seconds, of all rounds."""

    floor: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    creates: list[float] = field(default_factory=list)
    recorded: list[float] = field(default_factory=list)
    assigned: list[float] = field(default_factory=list)


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Floor, bare start and Holdfast take turns, at each rate."""
    rows = []
    for rate in RATES:
        series = _Series()
        for _ in range(effort.rounds):
            await _round(rig, rate, effort.paced(rate), series)
        rows += _create_rows(rate, series)
        if rate == ASSIGNED_RATE:
            rows += _assigned_rows(rate, series)
    return rows


async def _round(rig: Rig, rate: int, count: int, series: _Series) -> None:
    handled = await open_loop(rate, floor_creates(rig, count))
    series.floor += [sample.seconds for sample in handled]
    started = await open_loop(rate, bare_starts(rig, count))
    series.starts += [sample.seconds for sample in started]
    # The floor's clock starts with its start call: in Holdfast that call comes after the 201, too.
    series.recorded += delays({s.result: s.due_at for s in started}, await rig.recorded_at(results(started)))
    created = await open_loop(rate, creates(rig, count))
    series.creates += [sample.seconds for sample in created]
    await rig.until_quiet()
    series.assigned += await until_assigned(rig, created)


async def until_assigned(rig: Rig, created: list[Sample[UUID]]) -> list[float]:
    """Seconds from each 201, as the client saw it, to the commit of `assigned`."""
    answered = {sample.result: sample.answered_at for sample in created}
    return delays(answered, await rig.assigned_at(results(created)))


def delays(since: dict[UUID, float], until: dict[UUID, float]) -> list[float]:
    """Seconds between two moments of the same things.

    A step may be committed before its client has read the answer: that is no time, not a negative one.
    """
    return [max(until[key] - moment, 0.0) for key, moment in since.items()]


def _create_rows(rate: int, series: _Series) -> list[Row]:
    floor, starts, own = Latency.of(series.floor), Latency.of(series.starts), Latency.of(series.creates)
    name = f"create at {rate}/s"
    p99_goal = below(50) if rate == max(RATES) else None
    return [
        Row(f"{name}, p50", "ms", own.p50, floor.p50, "bare handler", times_floor_at_most(2)),
        Row(f"{name}, p99", "ms", own.p99, floor.p99, "bare handler", p99_goal),
        Row(f"{name}, p50", "ms", own.p50, starts.p50, "bare start call"),
        Row(f"{name}, p99", "ms", own.p99, starts.p99, "bare start call"),
    ]


def _assigned_rows(rate: int, series: _Series) -> list[Row]:
    floor, own = Latency.of(series.recorded), Latency.of(series.assigned)
    name = f"201 to assigned at {rate}/s"
    return [
        Row(f"{name}, p50", "ms", own.p50, floor.p50, "bare workflow", at_most(15)),
        Row(f"{name}, p99", "ms", own.p99, floor.p99, "bare workflow"),
    ]
