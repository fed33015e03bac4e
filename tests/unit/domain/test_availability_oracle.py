"""Slots compared with the oracle: random hours and reservations around clock changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from uuid import UUID
from zlib import crc32
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from domain.availability import (
    Interval,
    ProviderSchedule,
    Session,
    SlotConstraints,
    find_slots,
    has_time,
    is_bookable,
)
from domain.hours import DateException, ExceptionKind, Opening, Weekly
from tests.support.domain.availability_oracle import Clock, Oracle, Slots, clock, every_slot

EXAMPLES = 30
"""For each place: about a second."""
PLACES = {
    "New York in spring": ("America/New_York", date(2026, 3, 8)),
    "New York in autumn": ("America/New_York", date(2026, 11, 1)),
    "London in spring": ("Europe/London", date(2026, 3, 29)),
    "London in autumn": ("Europe/London", date(2026, 10, 25)),
    "Lord Howe, half an hour back": ("Australia/Lord_Howe", date(2026, 4, 5)),
    "Lord Howe, half an hour ahead": ("Australia/Lord_Howe", date(2026, 10, 4)),
    "Apia without a day": ("Pacific/Apia", date(2011, 12, 30)),
    "Sao Paulo without a midnight": ("America/Sao_Paulo", date(2018, 11, 4)),
    "Sao Paulo, back at midnight": ("America/Sao_Paulo", date(2019, 2, 17)),
    "Sao Paulo since": ("America/Sao_Paulo", date(2026, 11, 1)),
    "UTC": ("UTC", date(2026, 6, 10)),
    "Kathmandu": ("Asia/Kathmandu", date(2026, 6, 10)),
}
MINUTE = 60
A_DAY = 1440

# Drafts are in minutes and days, counted from the middle: the midnight around which the clock changes.
Span = tuple[int, int]
"""Begin and length."""
Hours = tuple[int, int, int]
"""Day, opening time and length."""
ExceptionDraft = tuple[Hours, ExceptionKind, bool, int]
"""When, what, whether every year, and how many years ago it was said."""


@dataclass(frozen=True)
class ScheduleDraft:
    rules: int
    busy: list[Span]
    away: list[Span]
    elsewhere: list[Span] | None
    sessions: list[tuple[int, int, int]]
    """Where in the list of possible starts, minutes too long, seats left."""


@dataclass(frozen=True)
class Draft:
    openings: list[tuple[list[Hours], list[ExceptionDraft], list[ExceptionDraft]]]
    """Two, which the schedules share: weekly rules, the business's exceptions, the provider's own."""
    schedules: list[ScheduleDraft]
    constraints: SlotConstraints
    notice: int | None
    horizon: int | None
    full: list[Span]
    window: Span
    look: int
    """Where in the list of slots, or how long before the change, to ask about single minutes."""


def in_minutes(amounts: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    return amounts.map(lambda amount: amount * MINUTE)


def times_between(first: int, last: int) -> st.SearchStrategy[int]:
    """Often on a quarter of an hour, where other things begin and end."""
    return st.integers(first // 15, last // 15).map(lambda quarter: quarter * 15) | st.integers(first, last)


often_at_night = st.sampled_from([0, 30, 60, 90, 105, 120, 150, 180, 1380, 1410])
times_of_day = often_at_night | often_at_night | st.integers(0, A_DAY - 1)
lengths = st.sampled_from([60, 120, 240, 480, A_DAY]) | st.integers(1, A_DAY)
hours = st.tuples(st.sampled_from([-2, -1, -1, 0, 0, 0, 1, 1, 2, 3]), times_of_day, lengths)
same_dates = st.tuples(st.sampled_from([-1, 0, 0, 0, 1]), times_of_day, lengths)
exceptions = st.tuples(same_dates, st.sampled_from(ExceptionKind), st.booleans(), st.sampled_from([0, 0, 0, 1, 8]))
moments = times_between(-A_DAY, 2 * A_DAY)
spans = st.tuples(moments, st.sampled_from([15, 60, 90]) | st.integers(1, 300))
long_spans = st.tuples(moments, lengths)
buffers = in_minutes(st.sampled_from([0, 0, 5, 15]) | st.integers(0, 90))
schedules = st.builds(
    ScheduleDraft,
    rules=st.integers(0, 1),
    busy=st.lists(spans, max_size=5),
    away=st.lists(spans, max_size=3),
    elsewhere=st.one_of([st.none()] * 4 + [st.lists(long_spans, max_size=4)]),
    sessions=st.lists(st.tuples(st.integers(0, 50), st.sampled_from([0, 0, 0, 1]), st.integers(0, 5)), max_size=4),
)
any_constraints = st.builds(
    SlotConstraints,
    duration=in_minutes(st.sampled_from([15, 30, 60, 90]) | st.integers(5, 300)),
    before=buffers,
    after=buffers,
    step_minutes=st.sampled_from([5, 15, 20, 25, 45, 50, 60, 90]),
    capacity=st.sampled_from([1, 6]),
)
drafts = st.builds(
    Draft,
    openings=st.lists(
        st.tuples(
            st.lists(hours, min_size=2, max_size=9),
            st.lists(exceptions, max_size=3),
            st.lists(exceptions, max_size=2),
        ),
        min_size=2,
        max_size=2,
    ),
    schedules=st.lists(schedules, min_size=1, max_size=3),
    constraints=any_constraints,
    notice=st.none() | st.none() | times_between(-A_DAY, A_DAY),
    horizon=st.none() | st.none() | times_between(0, 2 * A_DAY),
    full=st.lists(long_spans, max_size=2),
    window=st.tuples(st.integers(-2 * A_DAY, -A_DAY // 2), st.integers(2 * A_DAY, 4 * A_DAY)),
    look=st.integers(0, 60),
)


@dataclass(frozen=True)
class Question:
    """What a draft is at a place: instants in seconds."""

    time: Clock
    schedules: list[ProviderSchedule]
    constraints: SlotConstraints
    window: Interval


def question(draft: Draft, zone: str, middle: date) -> Question:
    time = clock(zone, middle)
    zero = time.instant(time.first_of(middle))
    constraints = replace(
        draft.constraints,
        earliest=0 if draft.notice is None else zero + draft.notice * MINUTE,
        latest=1 << 40 if draft.horizon is None else zero + draft.horizon * MINUTE,
        full=intervals(zero, draft.full),
    )
    rules = [opening(time.zone, middle, *parts) for parts in draft.openings]
    found = [schedule(UUID(int=n), rules[one.rules], zero, one) for n, one in enumerate(draft.schedules)]
    window = intervals(zero, [draft.window])[0]
    if constraints.capacity > 1:
        found = [
            with_sessions(Oracle(one, constraints, time), window, begun)
            for one, begun in zip(found, draft.schedules, strict=True)
        ]
    return Question(time, found, constraints, window)


def intervals(zero: int, spans: Sequence[Span]) -> tuple[Interval, ...]:
    return tuple((zero + begin * MINUTE, zero + (begin + length) * MINUTE) for begin, length in spans)


def opening(
    zone: ZoneInfo, middle: date, weekly: list[Hours], general: list[ExceptionDraft], own: list[ExceptionDraft]
) -> Opening:
    rules = [
        Weekly((middle + timedelta(days=day)).isoweekday(), opens, opens + length) for day, opens, length in weekly
    ]
    exception = partial(date_exception, middle)
    return Opening(zone, tuple(rules), tuple(map(exception, general)), tuple(map(exception, own)))


def date_exception(middle: date, draft: ExceptionDraft) -> DateException:
    (days, opens, length), kind, yearly, years_ago = draft
    day = middle + timedelta(days=days)
    day = day.replace(year=day.year - years_ago)
    if kind is ExceptionKind.CLOSED:
        return DateException(day, kind, yearly)
    return DateException(day, kind, yearly, opens, opens + length)


def schedule(provider_id: UUID, rules: Opening, zero: int, draft: ScheduleDraft) -> ProviderSchedule:
    return ProviderSchedule(
        provider_id,
        rules,
        away=intervals(zero, draft.away),
        busy=intervals(zero, draft.busy),
        open_elsewhere=None if draft.elsewhere is None else intervals(zero, draft.elsewhere),
    )


def with_sessions(oracle: Oracle, window: Interval, draft: ScheduleDraft) -> ProviderSchedule:
    """The oracle's schedule with group sessions where the rules let one begin; some are too long to be joined."""
    empty, constraints = oracle.schedule, oracle.constraints
    marks = [start for start in map(oracle.clock.instant, sorted(oracle.marks)) if window[0] <= start < window[1]]
    if not marks:
        return empty
    sessions: list[Session] = []
    for place, longer, seats_left in draft.sessions:
        start = marks[place % len(marks)]
        end = start + constraints.duration + constraints.after + longer * MINUTE
        if all(end <= other.taken_from or other.taken_until <= start - constraints.before for other in sessions):
            sessions.append(Session(start - constraints.before, end, seats_left))
    taken = tuple((session.taken_from, session.taken_until) for session in sessions)
    return replace(empty, sessions=tuple(sessions), busy=empty.busy + taken)


@pytest.mark.parametrize("place", PLACES)
def test_the_quick_answer_is_the_slow_one(place: str) -> None:
    @seed(crc32(place.encode()))
    @settings(
        derandomize=True,
        max_examples=EXAMPLES,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(drafts)
    def compare(draft: Draft) -> None:
        case = question(draft, *PLACES[place])
        oracles = [Oracle(one, case.constraints, case.time) for one in case.schedules]
        expected = every_slot(oracles, case.window)
        assert quick_slots(case) == expected
        check_each_minute(oracles[0], minutes_to_look_at(case.time, expected, draft.look))

    compare()


def quick_slots(case: Question) -> Slots:
    return [
        (slot.starts_at, slot.ends_at, slot.provider_ids, slot.seats_left)
        for slot in find_slots(case.schedules, case.constraints, case.window)
    ]


def minutes_to_look_at(time: Clock, slots: Slots, look: int) -> range:
    """An hour: around one of the slots, or else around a change of the clock."""
    if slots and look % 2:
        first = slots[look % len(slots)][0]
    else:
        first = time.instant((time.changes or [time.first_of(time.middle)])[0])
    return range(first - look * MINUTE, first + (60 - look) * MINUTE, MINUTE)


def check_each_minute(oracle: Oracle, minutes: range) -> None:
    """The two questions about a single appointment."""
    schedule, constraints = oracle.schedule, oracle.constraints
    bookable = [start for start in minutes if is_bookable(schedule, constraints, start)]
    assert bookable == [start for start in minutes if oracle.is_offered(start)]
    possible = [start for start in minutes if has_time(schedule, constraints, start)]
    assert possible == [start for start in minutes if oracle.is_open_and_free(start)]
