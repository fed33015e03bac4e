"""One line of the report: the measured value, its baseline and its goal."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bench.stats import ratio

TIMES = "\N{MULTIPLICATION SIGN}"


class Bound(StrEnum):
    AT_MOST = "≤"
    BELOW = "<"
    AT_LEAST = "≥"


@dataclass(frozen=True, slots=True)
class Goal:
    """A limit of the performance budget: for the value, or for its ratio to the baseline."""

    bound: Bound
    limit: float
    of_ratio: bool = False

    def met(self, value: float) -> bool:
        match self.bound:
            case Bound.AT_MOST:
                return value <= self.limit
            case Bound.BELOW:
                return value < self.limit
            case Bound.AT_LEAST:
                return value >= self.limit

    def text(self, unit: str) -> str:
        return f"{self.bound} {self.limit:g}{TIMES if self.of_ratio else ' ' + unit}".rstrip()


def at_most(limit: float) -> Goal:
    return Goal(Bound.AT_MOST, limit)


def below(limit: float) -> Goal:
    return Goal(Bound.BELOW, limit)


def times_baseline_at_most(limit: float) -> Goal:
    return Goal(Bound.AT_MOST, limit, of_ratio=True)


def times_baseline_at_least(limit: float) -> Goal:
    return Goal(Bound.AT_LEAST, limit, of_ratio=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value; `holdfast` and `baseline` are in `unit`."""

    name: str
    unit: str
    holdfast: float
    baseline: float | None = None
    compared_with: str = ""
    """What the baseline measures, such as `bare handler`."""
    goal: Goal | None = None
    rounds: list[float] = field(default_factory=list)
    """Holdfast's value in each round, if there were several."""

    @property
    def ratio(self) -> float | None:
        return ratio(self.holdfast, self.baseline)

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        judged = self.ratio if self.goal.of_ratio else self.holdfast
        return judged is not None and self.goal.met(judged)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "baseline": self.baseline,
            "compared_with": self.compared_with,
            "holdfast": self.holdfast,
            "ratio": self.ratio,
            "goal": self.goal.text(self.unit) if self.goal else None,
            "ok": self.ok,
            "rounds": self.rounds,
        }
