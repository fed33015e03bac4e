"""Opening hours: weekly rules, and exceptions on single dates. Wall time in one zone.

For one provider and one date, the most specific rule counts: the provider's own exceptions before the business's,
a date of one year before a date of every year, and exceptions before weekly rules. `closed` and `hours` replace
every more general rule; `extra` adds to them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.zones import MINUTES_A_DAY, begins, local_date, readings

_DAY = timedelta(days=1)


class ExceptionKind(StrEnum):
    CLOSED = "closed"
    HOURS = "hours"
    """Replaces the weekly hours."""
    EXTRA = "extra"
    """Adds to them."""


@dataclass(frozen=True, slots=True)
class Weekly:
    """Open every week from `opens` to `closes`, in minutes after the midnight of an ISO weekday (1 is Monday).

    Values above 1440 are in the morning of the next day.
    """

    weekday: int
    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class DateException:
    """Different hours on one date, or on that day of every year; `closed` has none."""

    day: date
    kind: ExceptionKind
    yearly: bool = False
    opens: int | None = None
    closes: int | None = None

    def is_on(self, day: date) -> bool:
        """Whether it applies to this date."""
        if self.yearly:
            return (self.day.month, self.day.day) == (day.month, day.day)
        return self.day == day


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Open time between two instants (seconds, UTC, the end excluded), from one rule on one date.

    Without a zone it does not come from a rule, and wall time does not matter.
    """

    opens_at: int
    closes_at: int
    zone: ZoneInfo | None = None
    day: date = date.min
    opens: int = 0
    closes: int = 0

    def starts(self, step: int) -> Sequence[int]:
        """Where appointments may begin: at opening and every `step` minutes of wall time after it.

        A wall time that occurs twice gives two starts, one that is skipped gives none.
        """
        if self.zone is None or self._is_ordinary():
            return range(self.opens_at, self.closes_at, step * 60)
        marks = range(self.opens, self.closes, step)
        found = {at for minute in marks for at in readings(self.day, minute, self.zone)}
        return sorted(at for at in found if self.opens_at <= at < self.closes_at)

    def _is_ordinary(self) -> bool:
        """Whether the clock does not change between opening and closing."""
        assert self.zone is not None
        return self.closes_at - self.opens_at == (self.closes - self.opens) * 60 and readings(
            self.day, self.opens, self.zone
        ) == [self.opens_at]


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """The rules of one or several providers. Compared by identity, so that shared rules are evaluated once."""

    zone: ZoneInfo
    weekly: tuple[Weekly, ...]
    exceptions: tuple[DateException, ...] = ()
    """The business's."""
    own_exceptions: tuple[DateException, ...] = ()
    """The provider's."""

    def open_ranges(self, from_: int, until: int) -> Iterator[TimeRange]:
        """Open time that touches the window between two instants, date by date; ranges may overlap."""
        # One more day on either side: hours may pass midnight, and a clock may be set back over it.
        day, last = local_date(from_, self.zone) - _DAY, local_date(until, self.zone) + _DAY
        while day <= last:
            for opens, closes in self.on(day):
                at, end = begins(day, opens, self.zone), begins(day, closes, self.zone)
                if at < until and end > from_ and at < end:
                    yield TimeRange(at, end, self.zone, day, opens, closes)
            day += _DAY

    def on(self, day: date) -> list[tuple[int, int]]:
        """The hours of a date, in minutes after its midnight."""
        hours: list[tuple[int, int]] = []
        for exceptions in self._exceptions_on(day):
            hours += [(e.opens, e.closes) for e in exceptions if e.opens is not None and e.closes is not None]
            if any(exception.kind is not ExceptionKind.EXTRA for exception in exceptions):
                return sorted(hours)
        return sorted([*hours, *((w.opens, w.closes) for w in self.weekly if w.weekday == day.isoweekday())])

    def _exceptions_on(self, day: date) -> Iterator[list[DateException]]:
        """The exceptions of a date by level, the most specific first."""
        for exceptions in (self.own_exceptions, self.exceptions):
            for yearly in (False, True):
                yield [e for e in exceptions if e.yearly is yearly and e.is_on(day)]


def first_overlap(intervals: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The first two intervals that share a minute."""
    ordered = sorted(intervals)
    return next(((one, other) for one, other in pairwise(ordered) if other[0] < one[1]), None)


def overlap_in_week(rules: Sequence[Weekly]) -> tuple[Weekly, Weekly] | None:
    """Two weekly rules that share a minute, over midnight and over the week's end too."""
    placed = sorted(rules, key=lambda rule: (rule.weekday, rule.opens))
    if not placed:
        return None
    first = placed[0]
    again = Weekly(first.weekday + 7, first.opens, first.closes)  # next week's first, after this week's last
    for one, other in pairwise([*placed, again]):
        if _in_week(other) < _in_week(one) + one.closes - one.opens and (other is not again or one is not first):
            return one, first if other is again else other
    return None


def _in_week(rule: Weekly) -> int:
    return (rule.weekday - 1) * MINUTES_A_DAY + rule.opens
