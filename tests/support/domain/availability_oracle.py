"""The slow computation of free appointments: it looks at each minute separately.

It shares the questions with `domain.availability` (the dataclasses) and no line of the answer: instants are found
by reading the zone's clock minute after minute. So it is right only where offsets are whole minutes, for instants
on whole minutes, and within four days of the date it is made for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.availability import Interval, ProviderSchedule, Session, SlotConstraints
from domain.hours import DateException, ExceptionKind

DAYS_AROUND = 9
_A_DAY = 1440
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the clock on the wall knows no zone
_A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Clock:
    """The local wall time at each minute around a date. Minute 0 is `begins_at`, in seconds UTC."""

    zone: ZoneInfo
    middle: date
    begins_at: int
    readings: list[int] = field(repr=False)
    """By minute: what the clock reads, in minutes since it read the first midnight of 1970."""
    reached: dict[int, int] = field(repr=False)
    """By reading: the first minute at which the clock reads this or anything later."""

    def dates(self) -> Iterator[date]:
        """Every date whose hours may matter, even if no minute of the clock falls on it."""
        for days in range(3 - DAYS_AROUND, DAYS_AROUND - 2):
            yield self.middle + timedelta(days=days)

    def minute(self, instant: int) -> int:
        """The instant as a minute of this clock."""
        whole, rest = divmod(instant - self.begins_at, 60)
        assert rest == 0, "the oracle knows whole minutes only"
        return whole

    def instant(self, minute: int) -> int:
        """The instant of a minute of this clock."""
        return self.begins_at + minute * 60

    def first_of(self, day: date) -> int:
        """The minute at which the date begins, or the next one if midnight is skipped."""
        return self.reached[midnight(day)]

    @cached_property
    def changes(self) -> list[int]:
        """The minutes at which the clock does not read one minute more than before."""
        pairs = pairwise(self.readings)
        return [minute for minute, (one, other) in enumerate(pairs, start=1) if other != one + 1]


@cache
def clock(zone: str, middle: date) -> Clock:
    """The clock of the zone around the date, read minute by minute."""
    place = ZoneInfo(zone)
    first = datetime(middle.year, middle.month, middle.day, tzinfo=UTC) - timedelta(days=DAYS_AROUND)
    begins_at = int(first.timestamp())
    minutes = range(2 * DAYS_AROUND * _A_DAY)
    readings = [_reading(datetime.fromtimestamp(begins_at + minute * 60, place)) for minute in minutes]
    reached: dict[int, int] = {}
    wall_time = readings[0]
    for minute, reading in enumerate(readings):
        while wall_time <= reading:
            reached[wall_time] = minute
            wall_time += 1
    return Clock(place, middle, begins_at, readings, reached)


def _reading(moment: datetime) -> int:
    minutes, rest = divmod(moment.replace(tzinfo=None) - _EPOCH, _A_MINUTE)
    assert not rest
    return minutes


def midnight(day: date) -> int:
    """The wall time at which the date begins."""
    return (day - _EPOCH.date()).days * _A_DAY


@dataclass
class Oracle:
    """One provider's time, a byte for every minute of the clock."""

    schedule: ProviderSchedule
    constraints: SlotConstraints
    clock: Clock
    open: bytearray = field(init=False)
    away: bytearray = field(init=False)
    busy: bytearray = field(init=False)
    marks: set[int] = field(init=False, default_factory=set)
    """The minutes at which the rules let an appointment begin, if it fits."""

    def __post_init__(self) -> None:
        self.open = self._painted([])
        self.away = self._painted(self.schedule.away)
        self.busy = self._painted(self.schedule.busy)
        if self.schedule.open_elsewhere is None:
            for day in self.clock.dates():
                self._open_on(day)
        else:
            self._mark_open(self.schedule.open_elsewhere)

    def is_open_and_free(self, start: int) -> bool:
        """Whether an appointment that begins then finds the provider open and free, off the grid too."""
        at = self.clock.minute(start)
        end = at + self.constraints.duration // 60
        if 0 in self.open[at:end] or 1 in self.away[at:end]:
            return False
        taken = self.busy[at - self.constraints.before // 60 : end + self.constraints.after // 60]
        return 1 not in taken or self._session(start) is not None

    def is_offered(self, start: int) -> bool:
        """Whether an appointment may be booked to begin then, whatever the window."""
        return (
            self.clock.minute(start) in self.marks
            and self.constraints.earliest <= start <= self.constraints.latest
            and not any(first <= start < end for first, end in self.constraints.full)
            and self.is_open_and_free(start)
        )

    def seats(self, start: int) -> int:
        """How many places are left in an appointment that is offered."""
        session = self._session(start)
        return session.seats_left if session else self.constraints.capacity

    def _session(self, start: int) -> Session | None:
        """The session with seats left that takes just the time that this appointment would."""
        taken = (start - self.constraints.before, start + self.constraints.duration + self.constraints.after)
        if self.constraints.capacity == 1:
            return None
        for session in self.schedule.sessions:
            if (session.taken_from, session.taken_until) == taken and session.seats_left > 0:
                return session
        return None

    def _open_on(self, day: date) -> None:
        step = self.constraints.step_minutes
        for opens, closes in self._hours(day):
            begin = midnight(day) + opens
            for minute in range(self.clock.reached[begin], self.clock.reached[midnight(day) + closes]):
                self.open[minute] = 1
                since = self.clock.readings[minute] - begin
                if since >= 0 and since % step == 0:
                    self.marks.add(minute)

    def _hours(self, day: date) -> list[tuple[int, int]]:
        rules = self.schedule.opening
        own = [exception for exception in rules.own_exceptions if _speaks_of(exception, day)]
        general = [exception for exception in rules.exceptions if _speaks_of(exception, day)]
        hours = []
        replaced = False
        levels = [[e for e in said if e.yearly is yearly] for said in (own, general) for yearly in (False, True)]
        for level in levels:
            hours += [(e.opens, e.closes) for e in level if e.opens is not None and e.closes is not None]
            if {e.kind for e in level} & {ExceptionKind.CLOSED, ExceptionKind.HOURS}:
                replaced = True
                break
        if not replaced:
            hours += [(rule.opens, rule.closes) for rule in rules.weekly if rule.weekday == day.weekday() + 1]
        return hours

    def _mark_open(self, opening: Sequence[Interval]) -> None:
        for first, end in opening:
            begin = self.clock.minute(first)
            for minute in range(begin, self.clock.minute(end)):
                self.open[minute] = 1
                if (minute - begin) % self.constraints.step_minutes == 0:
                    self.marks.add(minute)

    def _painted(self, intervals: Sequence[Interval]) -> bytearray:
        minutes = bytearray(len(self.clock.readings))
        for first, end in intervals:
            for minute in range(self.clock.minute(first), self.clock.minute(end)):
                minutes[minute] = 1
        return minutes


def _speaks_of(exception: DateException, day: date) -> bool:
    same_year = exception.yearly or exception.day.year == day.year
    return same_year and exception.day.month == day.month and exception.day.day == day.day


Slots = list[tuple[int, int, list[UUID], int]]
"""Start, end, who may give it and the seats that they have together."""


def every_slot(oracles: Sequence[Oracle], window: Interval) -> Slots:
    """Each minute of the window at which an appointment may begin."""
    slots: Slots = []
    for start in range(window[0], window[1], 60):
        free = [oracle for oracle in oracles if oracle.is_offered(start)]
        if free:
            ids = [oracle.schedule.provider_id for oracle in free]
            end = start + free[0].constraints.duration
            slots.append((start, end, ids, sum(oracle.seats(start) for oracle in free)))
    return slots
