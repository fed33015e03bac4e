"""Which appointments are free: open time minus reserved time. Slots, holds and bookings share this answer.

An appointment lies within open time from start to end. Its buffers may reach beyond opening hours, but not into
other reservations. All instants are whole seconds since 1970 in UTC; all intervals exclude their end.

The code computes starts, not gaps: each reservation rules out the starts between two instants, so a provider's
month is a sorted list with a few cuts. Nothing here reads a clock.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from domain.hours import Opening, TimeRange

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SlotConstraints:
    """What an appointment needs of a provider's time. Durations are in seconds."""

    duration: int
    before: int = 0
    after: int = 0
    step_minutes: int = 15
    earliest: int = 0
    """The first start that the minimum notice allows."""
    latest: int = 1 << 40
    """The last start within the booking horizon."""
    capacity: int = 1
    full: tuple[Interval, ...] = ()
    """Days that have reached their limit."""


@dataclass(frozen=True, slots=True)
class Session:
    """A group session with reserved seats: the time it takes, buffers included, and the seats left."""

    taken_from: int
    taken_until: int
    seats_left: int


@dataclass(frozen=True, slots=True)
class ProviderSchedule:
    """One provider's time: when they work and what is reserved."""

    provider_id: UUID
    opening: Opening
    away: tuple[Interval, ...] = ()
    """Time off and blocks: they close open time."""
    busy: tuple[Interval, ...] = ()
    """Reservations and outside appointments: buffers must not overlap them either."""
    sessions: tuple[Session, ...] = ()
    """Of the requested service; their time is in `busy` as well."""
    open_elsewhere: tuple[Interval, ...] | None = None
    """Open time from an outside calendar, which replaces the rules."""


@dataclass(frozen=True, slots=True)
class Slot:
    starts_at: int
    ends_at: int
    provider_ids: list[UUID]
    seats_left: int


def find_slots(
    schedules: Iterable[ProviderSchedule], constraints: SlotConstraints, window: Interval
) -> list[Slot]:
    """Every appointment that may be booked with a start in the window, the earliest first."""
    offers: dict[Opening, list[int]] = {}
    providers: defaultdict[int, list[UUID]] = defaultdict(list)
    taken_seats: defaultdict[int, int] = defaultdict(int)
    for schedule in schedules:
        starts, seats = _bookable(schedule, constraints, window, offers)
        for start in starts:
            providers[start].append(schedule.provider_id)
        for start, left in seats.items():
            taken_seats[start] += constraints.capacity - left
    return [
        Slot(start, start + constraints.duration, who, len(who) * constraints.capacity - taken_seats.get(start, 0))
        for start, who in sorted(providers.items())
    ]


def is_bookable(schedule: ProviderSchedule, constraints: SlotConstraints, start: int) -> bool:
    """Whether this very appointment is among the slots."""
    return bool(_bookable(schedule, constraints, (start, start + 1), {})[0])


def has_time(schedule: ProviderSchedule, constraints: SlotConstraints, start: int) -> bool:
    """Whether the provider is open and free for an agreed appointment, which may start at any minute."""
    ranges = _merged(_open_ranges(schedule, start, start + constraints.duration))
    open_then = any(opens <= start and start + constraints.duration <= closes for opens, closes in ranges)
    if not open_then or not _cut([start], _ruled_out(schedule.away, constraints.duration)):
        return False
    return bool(_cut([start], _taken(schedule, constraints))) or start in _joinable(schedule, constraints, [start])


def seats_taken(schedule: ProviderSchedule, constraints: SlotConstraints, start: int) -> int:
    """Seats reserved in the session that this appointment would join; 0 when no session has a seat left."""
    left = _joinable(schedule, constraints, [start]).get(start)
    return 0 if left is None else constraints.capacity - left


def _bookable(
    schedule: ProviderSchedule, constraints: SlotConstraints, window: Interval, offers: dict[Opening, list[int]]
) -> tuple[list[int], dict[int, int]]:
    """The free starts, and the seats left where one joins a session. `offers` caches those of shared rules."""
    offered = offers.get(schedule.opening) if schedule.open_elsewhere is None else None
    if offered is None:
        offered = _offered(schedule, constraints, window)
        if schedule.open_elsewhere is None:
            offers[schedule.opening] = offered
    present = _cut(offered, _ruled_out(schedule.away, constraints.duration))
    alone = _cut(present, _taken(schedule, constraints))
    seats = _joinable(schedule, constraints, present)
    return (sorted({*alone, *seats}) if seats else alone), seats


def _offered(schedule: ProviderSchedule, constraints: SlotConstraints, window: Interval) -> list[int]:
    """The starts that the rules allow, before reservations."""
    from_, until = max(window[0], constraints.earliest), min(window[1], constraints.latest + 1)
    if from_ >= until:
        return []
    ranges = list(_open_ranges(schedule, from_, until + constraints.duration))
    # A dict, not a set: it keeps the order, and sorting an ordered list is cheap.
    marks = sorted(dict.fromkeys(chain.from_iterable(s.starts(constraints.step_minutes) for s in ranges)))
    marks = marks[bisect_left(marks, from_) : bisect_left(marks, until)]
    fitting: list[int] = []
    for opens, closes in _merged(ranges):
        fitting += marks[bisect_left(marks, opens) : bisect_right(marks, closes - constraints.duration)]
    if not constraints.full:
        return fitting
    return [at for at in fitting if not any(first <= at < end for first, end in constraints.full)]


def _open_ranges(schedule: ProviderSchedule, from_: int, until: int) -> Iterable[TimeRange]:
    if schedule.open_elsewhere is None:
        return schedule.opening.open_ranges(from_, until)
    return [
        TimeRange(*interval) for interval in schedule.open_elsewhere if interval[0] < until and interval[1] > from_
    ]


def _merged(ranges: Iterable[TimeRange]) -> list[Interval]:
    """The same time without overlaps; ranges that touch are joined."""
    merged: list[Interval] = []
    for opens, closes in sorted((one.opens_at, one.closes_at) for one in ranges):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return merged


def _taken(schedule: ProviderSchedule, constraints: SlotConstraints) -> list[Interval]:
    return _ruled_out(schedule.busy, constraints.duration, constraints.before, constraints.after)


def _ruled_out(taken: Iterable[Interval], duration: int, before: int = 0, after: int = 0) -> list[Interval]:
    """The open intervals of starts whose appointment would overlap reserved time."""
    return sorted((first - duration - after, end + before) for first, end in taken)


def _cut(starts: Sequence[int], ruled_out: Iterable[Interval]) -> list[int]:
    """The starts that lie in none of the open intervals; both are sorted."""
    kept: list[int] = []
    at = 0
    for low, high in ruled_out:
        left = bisect_right(starts, low, at)
        kept += starts[at:left]
        at = bisect_left(starts, high, left)
    kept += starts[at:]
    return kept


def _joinable(schedule: ProviderSchedule, constraints: SlotConstraints, starts: Sequence[int]) -> dict[int, int]:
    """The starts at which a session has seats left, and how many. Only exactly the same time can be shared."""
    if constraints.capacity == 1:
        return {}
    found = {}
    for session in schedule.sessions:
        start = session.taken_from + constraints.before
        at = bisect_left(starts, start)
        same = session.taken_until == start + constraints.duration + constraints.after
        if same and session.seats_left > 0 and at < len(starts) and starts[at] == start:
            found[start] = session.seats_left
    return found
