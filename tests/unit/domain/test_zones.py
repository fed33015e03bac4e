"""Conversion between wall time and instants, also on days with a clock change."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.zones import begins, epoch, local_date, moment, readings, zone_named, zone_names
from tests.support.domain.availability_oracle import clock, midnight

NEW_YORK = ZoneInfo("America/New_York")
SPRING = date(2026, 3, 8)
AUTUMN = date(2026, 11, 1)
CHANGES = [
    ("America/New_York", SPRING),
    ("America/New_York", AUTUMN),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2019, 2, 17)),
    ("Antarctica/Troll", date(2026, 10, 25)),
    ("Asia/Kathmandu", date(2026, 6, 10)),
]


def at(text: str) -> int:
    """The instant of an ISO 8601 moment."""
    return int(datetime.fromisoformat(text).timestamp())


def test_a_zone_is_known_by_its_iana_name() -> None:
    assert zone_named("Europe/London").key == "Europe/London"
    assert {"UTC", "Asia/Kathmandu", "Pacific/Apia"} <= zone_names()


@pytest.mark.parametrize(
    "name", ["", "london", "Europe/Atlantis", "../Europe/London", "/etc/localtime", "EUROPE/LONDON"]
)
def test_what_is_no_zone_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match="is no IANA time zone"):
        zone_named(name)


def test_the_zone_database_is_the_pinned_one_and_not_the_hosts() -> None:
    assert zoneinfo.TZPATH == ()


def test_instants_are_whole_seconds_rounded_down() -> None:
    assert epoch(datetime(2026, 6, 8, 8, 0, 0, 999_999, UTC)) == at("2026-06-08T08:00:00Z")
    assert epoch(datetime(1969, 12, 31, 23, 59, 59, 500_000, UTC)) == -1
    assert epoch(datetime(2026, 6, 8, 8, tzinfo=timezone(timedelta(hours=2)))) == at("2026-06-08T06:00:00Z")


@given(st.integers(0, 7_258_118_399))  # up to the year 2200
def test_an_instant_and_its_moment_are_the_same(instant: int) -> None:
    assert moment(instant).tzinfo is UTC
    assert epoch(moment(instant)) == instant


def test_the_date_is_that_of_the_wall() -> None:
    assert local_date(at("2026-06-08T03:59:59Z"), NEW_YORK) == date(2026, 6, 7)
    assert local_date(at("2026-06-08T04:00:00Z"), NEW_YORK) == date(2026, 6, 8)
    assert local_date(at("2026-06-07T18:15:00Z"), ZoneInfo("Asia/Kathmandu")) == date(2026, 6, 8)


@pytest.mark.parametrize(
    ("day", "minute", "expected"),
    [
        (date(2026, 6, 8), 480, "2026-06-08T08:00:00-04:00"),
        (date(2026, 6, 8), 1440 + 120, "2026-06-09T02:00:00-04:00"),
        (SPRING, 119, "2026-03-08T01:59:00-05:00"),
        (SPRING, 120, "2026-03-08T03:00:00-04:00"),
        (SPRING, 150, "2026-03-08T03:00:00-04:00"),
        (SPRING, 180, "2026-03-08T03:00:00-04:00"),
        (AUTUMN, 60, "2026-11-01T01:00:00-04:00"),
        (AUTUMN, 119, "2026-11-01T01:59:00-04:00"),
        (AUTUMN, 120, "2026-11-01T02:00:00-05:00"),
    ],
)
def test_a_time_begins_when_the_clock_first_reads_it_or_later(day: date, minute: int, expected: str) -> None:
    assert begins(day, minute, NEW_YORK) == at(expected)


def test_a_time_that_comes_twice_is_read_twice_and_one_that_is_skipped_never() -> None:
    assert readings(AUTUMN, 90, NEW_YORK) == [at("2026-11-01T01:30:00-04:00"), at("2026-11-01T01:30:00-05:00")]
    assert readings(AUTUMN, 120, NEW_YORK) == [at("2026-11-01T02:00:00-05:00")]
    assert readings(SPRING, 150, NEW_YORK) == []
    assert readings(SPRING, 120, NEW_YORK) == []
    assert readings(SPRING, 180, NEW_YORK) == [at("2026-03-08T03:00:00-04:00")]


def test_a_day_that_never_was_begins_with_the_next() -> None:
    """Apia went from the 29th of December 2011 to the 31st."""
    apia, saturday = ZoneInfo("Pacific/Apia"), at("2011-12-31T00:00:00+14:00")
    assert {begins(date(2011, 12, 30), minute, apia) for minute in (0, 540, 1439, 1440)} == {saturday}
    assert readings(date(2011, 12, 30), 540, apia) == []


def test_a_skip_that_ends_within_a_minute_is_found_to_the_second() -> None:
    """Liberia left -00:44:30 for UTC at midnight, in January 1972."""
    monrovia, day = ZoneInfo("Africa/Monrovia"), date(1972, 1, 7)
    assert begins(day, 0, monrovia) == at("1972-01-07T00:44:30Z")
    assert readings(day, 44, monrovia) == []
    assert readings(day, 45, monrovia) == [at("1972-01-07T00:45:00Z")]


@pytest.mark.parametrize(("zone", "middle"), CHANGES)
def test_every_minute_around_a_change_is_as_the_clock_was_seen_to_read_it(zone: str, middle: date) -> None:
    time = clock(zone, middle)
    seen: dict[int, list[int]] = {}
    for at_minute, reading in enumerate(time.readings):
        seen.setdefault(reading, []).append(time.instant(at_minute))
    for minute in range(-1440, 2 * 1440 + 1):
        at_reading = midnight(middle) + minute
        assert readings(middle, minute, time.zone) == seen.get(at_reading, [])
        assert begins(middle, minute, time.zone) == time.instant(time.reached[at_reading])


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.sampled_from(sorted(zone_names())), st.integers(1_577_836_800, 2_208_988_800))  # 2020 to 2040
def test_what_the_clock_reads_now_has_begun_and_is_read_now(name: str, instant: int) -> None:
    zone = ZoneInfo(name)
    now = instant // 60 * 60
    day = local_date(now, zone)
    wall = datetime.fromtimestamp(now, zone)
    minute = wall.hour * 60 + wall.minute
    assert wall.second == 0
    assert now in readings(day, minute, zone)
    assert begins(day, minute, zone) == min(readings(day, minute, zone))
