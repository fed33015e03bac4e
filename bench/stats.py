"""Statistics of the report."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile of the values by nearest rank.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True, slots=True)
class Latency:
    """Summary of a series of latencies, in milliseconds."""

    p50: float
    p99: float
    worst: float
    samples: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Summarize latencies given in seconds; the rounds of one measurement are pooled."""
        return cls(
            p50=percentile(seconds, 50) * 1000,
            p99=percentile(seconds, 99) * 1000,
            worst=max(seconds) * 1000,
            samples=len(seconds),
        )


def throughput(count: int, seconds: float) -> float:
    """Operations per second."""
    return count / seconds


def median_of(values: Iterable[float]) -> float:
    """The median over rounds: one disturbed round does not change it."""
    return median(values)


def ratio(value: float, baseline: float | None) -> float | None:
    """The ratio to the baseline; None without a baseline or with a baseline of 0."""
    return value / baseline if baseline else None
