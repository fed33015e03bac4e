"""Valid and overlapping hours, and which of several exceptions for a date counts."""

from collections.abc import Iterable
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.hours import DateException, ExceptionKind, Opening, Weekly, first_overlap, overlap_in_week

A_DAY, A_WEEK = 1440, 7 * 1440
MONDAY = date(2026, 3, 2)
CLOSED, HOURS, EXTRA = ExceptionKind.CLOSED, ExceptionKind.HOURS, ExceptionKind.EXTRA
WEEKLY = tuple(Weekly(weekday, 480, 1080) for weekday in range(1, 6))

minutes = st.integers(0, A_DAY - 1)
lengths = st.integers(1, A_DAY) | st.sampled_from([60, 720, 1440])
rules = st.builds(
    lambda day, opens, length: Weekly(day, opens, opens + length), st.integers(1, 7), minutes, lengths
)


def painted(intervals: Iterable[tuple[int, int]], length: int) -> list[int]:
    """How many of the intervals hold each minute of a circle of this length."""
    held = [0] * length
    for first, end in intervals:
        for minute in range(first, end):
            held[minute % length] += 1
    return held


@given(st.lists(rules, max_size=4))
def test_weekly_rules_overlap_when_some_minute_of_the_week_has_two(week: list[Weekly]) -> None:
    placed = [((rule.weekday - 1) * A_DAY + rule.opens, rule) for rule in week]
    doubled = max(painted(((at, at + rule.closes - rule.opens) for at, rule in placed), A_WEEK)) > 1
    found = overlap_in_week(week)
    assert (found is not None) is doubled
    if found is not None:
        assert overlap_in_week(found) is not None, "the two that are named do overlap"


@given(st.lists(st.tuples(minutes, lengths).map(lambda pair: (pair[0], sum(pair))), max_size=4))
def test_intervals_overlap_when_some_minute_has_two(intervals: list[tuple[int, int]]) -> None:
    found = first_overlap(intervals)
    assert (found is not None) is (max(painted(intervals, 2 * A_DAY)) > 1)
    if found is not None:
        assert max(painted(found, 2 * A_DAY)) == 2


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (Weekly(1, 480, 720), Weekly(1, 720, 1080), False),
        (Weekly(1, 1320, 1560), Weekly(2, 120, 480), False),
        (Weekly(1, 1320, 1560), Weekly(2, 119, 480), True),
        (Weekly(7, 1320, 1560), Weekly(1, 120, 480), False),
        (Weekly(7, 1320, 1560), Weekly(1, 119, 480), True),
        (Weekly(3, 0, 1440), Weekly(4, 0, 1440), False),
        (Weekly(3, 0, 1440), Weekly(3, 1439, 1500), True),
    ],
)
def test_rules_may_touch_over_midnight_and_over_the_week_s_end(one: Weekly, other: Weekly, overlap: bool) -> None:
    for week in ([one, other], [other, one]):
        found = overlap_in_week(week)
        assert (found is not None) is overlap
        assert found is None or set(found) == {one, other}


def test_one_rule_overlaps_nothing_and_twice_the_same_overlaps() -> None:
    assert overlap_in_week([]) is None
    assert overlap_in_week([Weekly(7, 0, 1440)]) is None
    assert overlap_in_week([Weekly(7, 0, 60)] * 2) is not None


def on(
    day: date, exceptions: Iterable[DateException] = (), own: Iterable[DateException] = ()
) -> list[tuple[int, int]]:
    return Opening(ZoneInfo("Europe/London"), WEEKLY, tuple(exceptions), tuple(own)).on(day)


def exception(kind: ExceptionKind, *hours: int, yearly: bool = False) -> DateException:
    return DateException(MONDAY, kind, yearly, *hours)


def test_without_exceptions_a_date_has_the_hours_of_its_weekday() -> None:
    assert on(MONDAY) == [(480, 1080)]
    assert on(MONDAY + timedelta(days=5)) == []
    assert on(MONDAY + timedelta(days=7), [exception(CLOSED)]) == [(480, 1080)]


def test_closed_and_other_hours_stand_in_place_of_the_weekly_ones_and_extra_beside_them() -> None:
    assert on(MONDAY, [exception(CLOSED)]) == []
    assert on(MONDAY, [exception(HOURS, 600, 720), exception(HOURS, 780, 900)]) == [(600, 720), (780, 900)]
    assert on(MONDAY, [exception(EXTRA, 1200, 1500), exception(EXTRA, 300, 400)]) == [
        (300, 400),
        (480, 1080),
        (1200, 1500),
    ]


def test_what_a_provider_says_of_a_date_counts_before_what_the_business_says() -> None:
    assert on(MONDAY, [exception(CLOSED)], [exception(HOURS, 600, 720)]) == [(600, 720)]
    assert on(MONDAY, [exception(CLOSED)], [exception(EXTRA, 1200, 1260)]) == [(1200, 1260)]
    assert on(MONDAY, [], [exception(EXTRA, 1200, 1260)]) == [(480, 1080), (1200, 1260)]
    assert on(MONDAY, [exception(HOURS, 600, 720)], [exception(EXTRA, 1200, 1260)]) == [(600, 720), (1200, 1260)]
    assert on(MONDAY, [exception(EXTRA, 1200, 1260)], [exception(CLOSED)]) == []
    assert on(MONDAY + timedelta(days=1), [exception(CLOSED)], [exception(HOURS, 600, 720)]) == [(480, 1080)]


def test_what_is_said_of_one_year_counts_before_what_is_said_of_every_year() -> None:
    every_year = exception(HOURS, 600, 720, yearly=True)
    assert on(MONDAY, [every_year, exception(CLOSED)]) == []
    assert on(MONDAY, [exception(CLOSED, yearly=True), exception(HOURS, 600, 720)]) == [(600, 720)]
    assert on(MONDAY, [exception(CLOSED)], [every_year]) == [(600, 720)]


def test_a_holiday_of_every_year_closes_that_day_in_every_year() -> None:
    for year in (2020, 2026, 2031):
        holiday = exception(CLOSED, yearly=True)
        assert on(date(year, 3, 2), [holiday]) == []
        assert on(date(year, 4, 2), [holiday]) == on(date(year, 4, 2))
    leap_day = DateException(date(2024, 2, 29), CLOSED, yearly=True)
    assert on(date(2028, 2, 29), [leap_day]) == []
    assert on(date(2027, 3, 1), [leap_day]) == [(480, 1080)], "a day that a year lacks is no other day in it"
