"""Which appointments are free: open time less what is taken. The one answer for slots, holds and bookings.

An appointment lies within open time from start to end. The buffers around it may reach beyond opening hours, but
not into other reservations. All instants are whole seconds since 1970 in UTC, all intervals exclude their end.

Starts are what is computed, not gaps: what is taken rules out the starts between two instants, so that a
provider's month is a sorted list and a few cuts through it. Nothing here reads a clock.
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
    """What an appointment asks of a provider's time."""

    duration: int
    """Seconds, as all of these."""
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
    """A group session that has begun to fill: the time it takes, buffers included, and the seats left."""

    taken_from: int
    taken_until: int
    seats_left: int


@dataclass(frozen=True, slots=True)
class ProviderSchedule:
    """One provider's time: when they work and what is taken of it."""

    provider_id: UUID
    opening: Opening
    away: tuple[Interval, ...] = ()
    """Time off and blocks: closes open time."""
    busy: tuple[Interval, ...] = ()
    """Reservations and outside appointments: keeps its distance from buffers too."""
    sessions: tuple[Session, ...] = ()
    """Of the service that is asked for; their time is in `busy` as well."""
    open_elsewhere: tuple[Interval, ...] | None = None
    """Open time that an outside calendar gives in place of the rules."""


@dataclass(frozen=True, slots=True)
class Slot:
    starts_at: int
    ends_at: int
    provider_ids: list[UUID]
    seats_left: int


def find_slots(agendas: Iterable[ProviderSchedule], demand: SlotConstraints, window: Interval) -> list[Slot]:
    """Every appointment that may be booked with a start in the window, the earliest first."""
    offers: dict[Opening, list[int]] = {}
    providers: defaultdict[int, list[UUID]] = defaultdict(list)
    fuller: defaultdict[int, int] = defaultdict(int)
    for agenda in agendas:
        starts, seats = _bookable(agenda, demand, window, offers)
        for start in starts:
            providers[start].append(agenda.provider_id)
        for start, left in seats.items():
            fuller[start] += demand.capacity - left
    return [
        Slot(start, start + demand.duration, who, len(who) * demand.capacity - fuller.get(start, 0))
        for start, who in sorted(providers.items())
    ]


def is_bookable(agenda: ProviderSchedule, demand: SlotConstraints, start: int) -> bool:
    """Whether this very appointment is among the slots."""
    return bool(_bookable(agenda, demand, (start, start + 1), {})[0])


def has_time(agenda: ProviderSchedule, demand: SlotConstraints, start: int) -> bool:
    """Whether the provider is open and free, at whatever minute an appointment begins that is agreed already."""
    stretches = _merged(_stretches(agenda, start, start + demand.duration))
    open_then = any(opens <= start and start + demand.duration <= closes for opens, closes in stretches)
    if not open_then or not _cut([start], _ruled_out(agenda.away, demand.duration)):
        return False
    return bool(_cut([start], _taken(agenda, demand))) or start in _joinable(agenda, demand, [start])


def seats_taken(agenda: ProviderSchedule, demand: SlotConstraints, start: int) -> int:
    """How many seats the session has taken that this appointment would join; 0: there is none with a seat left."""
    left = _joinable(agenda, demand, [start]).get(start)
    return 0 if left is None else demand.capacity - left


def _bookable(
    agenda: ProviderSchedule, demand: SlotConstraints, window: Interval, offers: dict[Opening, list[int]]
) -> tuple[list[int], dict[int, int]]:
    """The starts that are left, and the seats of those that join a session. `offers` remembers shared rules."""
    offered = offers.get(agenda.opening) if agenda.open_elsewhere is None else None
    if offered is None:
        offered = _offered(agenda, demand, window)
        if agenda.open_elsewhere is None:
            offers[agenda.opening] = offered
    present = _cut(offered, _ruled_out(agenda.away, demand.duration))
    alone = _cut(present, _taken(agenda, demand))
    seats = _joinable(agenda, demand, present)
    return (sorted({*alone, *seats}) if seats else alone), seats


def _offered(agenda: ProviderSchedule, demand: SlotConstraints, window: Interval) -> list[int]:
    """The starts that the rules allow, whoever has booked."""
    from_, until = max(window[0], demand.earliest), min(window[1], demand.latest + 1)
    if from_ >= until:
        return []
    stretches = list(_stretches(agenda, from_, until + demand.duration))
    # A dict, not a set: it keeps the order, and sorting what is in order already is next to nothing.
    marks = sorted(dict.fromkeys(chain.from_iterable(s.starts(demand.step_minutes) for s in stretches)))
    marks = marks[bisect_left(marks, from_) : bisect_left(marks, until)]
    fitting: list[int] = []
    for opens, closes in _merged(stretches):
        fitting += marks[bisect_left(marks, opens) : bisect_right(marks, closes - demand.duration)]
    if not demand.full:
        return fitting
    return [at for at in fitting if not any(first <= at < end for first, end in demand.full)]


def _stretches(agenda: ProviderSchedule, from_: int, until: int) -> Iterable[TimeRange]:
    if agenda.open_elsewhere is None:
        return agenda.opening.stretches(from_, until)
    return [
        TimeRange(*interval) for interval in agenda.open_elsewhere if interval[0] < until and interval[1] > from_
    ]


def _merged(stretches: Iterable[TimeRange]) -> list[Interval]:
    """The same time without overlaps, touching stretches made one."""
    merged: list[Interval] = []
    for opens, closes in sorted((stretch.opens_at, stretch.closes_at) for stretch in stretches):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], closes))
        else:
            merged.append((opens, closes))
    return merged


def _taken(agenda: ProviderSchedule, demand: SlotConstraints) -> list[Interval]:
    return _ruled_out(agenda.busy, demand.duration, demand.before, demand.after)


def _ruled_out(taken: Iterable[Interval], duration: int, before: int = 0, after: int = 0) -> list[Interval]:
    """The starts, strictly between two instants, whose appointment would run into what is taken."""
    return sorted((first - duration - after, end + before) for first, end in taken)


def _cut(starts: Sequence[int], ruled_out: Iterable[Interval]) -> list[int]:
    """The starts that lie in none of the open intervals; both sorted."""
    kept: list[int] = []
    at = 0
    for low, high in ruled_out:
        left = bisect_right(starts, low, at)
        kept += starts[at:left]
        at = bisect_left(starts, high, left)
    kept += starts[at:]
    return kept


def _joinable(agenda: ProviderSchedule, demand: SlotConstraints, starts: Sequence[int]) -> dict[int, int]:
    """The starts at which a session has seats left, and how many; only just the same time can be shared."""
    if demand.capacity == 1:
        return {}
    found = {}
    for session in agenda.sessions:
        start = session.taken_from + demand.before
        at = bisect_left(starts, start)
        same = session.taken_until == start + demand.duration + demand.after
        if same and session.seats_left > 0 and at < len(starts) and starts[at] == start:
            found[start] = session.seats_left
    return found
