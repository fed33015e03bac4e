"""The few statistics that the table needs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` % of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


@dataclass(frozen=True, slots=True)
class Latency:
    """What a series of latencies comes to. All in milliseconds."""

    p50: float
    p99: float
    worst: float
    samples: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Summarize latencies in seconds; rounds of the same kind are pooled before."""
        return cls(
            p50=percentile(seconds, 50) * 1000,
            p99=percentile(seconds, 99) * 1000,
            worst=max(seconds) * 1000,
            samples=len(seconds),
        )


def throughput(count: int, seconds: float) -> float:
    """Operations per second."""
    return count / seconds


def typical(values: Iterable[float]) -> float:
    """The median over rounds: one round that a neighbour disturbed does not move it."""
    return median(values)


def ratio(value: float, floor: float | None) -> float | None:
    """How many times the floor; none without a floor, or with one that is nothing."""
    return value / floor if floor else None
