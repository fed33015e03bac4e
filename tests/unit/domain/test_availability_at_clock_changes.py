"""Appointments in nights with a clock change, by example."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.availability import ProviderSchedule, SlotConstraints
from domain.hours import Opening, Weekly
from tests.support.domain.builders import ANA
from tests.support.domain.schedules import HOUR, HOURS, at, open_on, slots

NEW_YORK = "America/New_York"
SPRING = date(2026, 3, 8)
"""New York: after 01:59 EST comes 03:00 EDT."""
AUTUMN = date(2026, 11, 1)
"""New York: after 01:59 EDT comes 01:00 EST."""
HALF_HOURS = SlotConstraints(duration=HOUR // 2, step_minutes=30)


def local_starts(day: date, hours: str, zone: str, constraints: SlotConstraints = HALF_HOURS) -> list[str]:
    """What the clock on the wall reads when appointments begin, and the zone's name for the time it shows."""
    opening = open_on(day, hours, zone=zone)
    found = slots(ProviderSchedule(ANA, opening), constraints=constraints, day=day)
    return [f"{datetime.fromtimestamp(slot.starts_at, opening.zone):%a %H:%M %Z}" for slot in found]


def test_an_hour_that_is_skipped_has_no_slots() -> None:
    assert local_starts(SPRING, "01:00-05:00", NEW_YORK) == [
        "Sun 01:00 EST",
        "Sun 01:30 EST",
        "Sun 03:00 EDT",
        "Sun 03:30 EDT",
        "Sun 04:00 EDT",
        "Sun 04:30 EDT",
    ]


def test_an_appointment_lasts_as_long_as_ever_while_the_clock_jumps() -> None:
    constraints = SlotConstraints(duration=2 * HOUR, step_minutes=30)
    first, second, third = slots(
        ProviderSchedule(ANA, open_on(SPRING, "01:00-05:00", zone=NEW_YORK)), constraints=constraints, day=SPRING
    )
    assert [slot.starts_at for slot in (first, second, third)] == [
        at(time, SPRING) for time in ("06:00", "06:30", "07:00")
    ]
    assert second.ends_at == at("08:30", SPRING)  # begun at 01:30 EST, over at 04:30 EDT


def test_an_hour_that_comes_twice_has_its_slots_twice() -> None:
    assert local_starts(AUTUMN, "00:30-02:30", NEW_YORK) == [
        "Sun 00:30 EDT",
        "Sun 01:00 EDT",
        "Sun 01:30 EDT",
        "Sun 01:00 EST",
        "Sun 01:30 EST",
        "Sun 02:00 EST",
    ]


def test_the_two_slots_at_one_oclock_are_an_hour_apart() -> None:
    found = slots(ProviderSchedule(ANA, open_on(AUTUMN, "01:00-02:00", zone=NEW_YORK)), day=AUTUMN)
    assert [slot.starts_at for slot in found] == [at("05:00", AUTUMN), at("06:00", AUTUMN)]


@pytest.mark.parametrize(
    ("step", "expected"),
    [(30, ["Sun 03:00 EDT", "Sun 03:30 EDT", "Sun 04:00 EDT"]), (60, ["Sun 03:30 EDT"])],
)
def test_opening_at_a_time_that_is_skipped_opens_when_the_skip_ends(step: int, expected: list[str]) -> None:
    constraints = SlotConstraints(duration=HOUR // 2, step_minutes=step)
    assert local_starts(SPRING, "02:30-04:30", NEW_YORK, constraints) == expected


def test_hours_that_are_skipped_whole_are_no_hours() -> None:
    assert local_starts(SPRING, "02:00-03:00", NEW_YORK) == []


def test_closing_at_a_time_that_comes_twice_closes_the_first_time() -> None:
    assert local_starts(AUTUMN, "00:30-01:30", NEW_YORK) == ["Sun 00:30 EDT", "Sun 01:00 EDT"]


def test_what_opens_the_first_time_stays_open_the_second() -> None:
    """Though before opening, by the clock: the grid begins at opening, so nothing starts at 01:00 EST."""
    assert local_starts(AUTUMN, "01:30-02:30", NEW_YORK) == ["Sun 01:30 EDT", "Sun 01:30 EST", "Sun 02:00 EST"]


def test_a_night_shift_is_an_hour_shorter_in_spring() -> None:
    saturday = SPRING - timedelta(days=1)
    assert local_starts(saturday, "22:00-28:00", NEW_YORK, HOURS) == [
        "Sat 22:00 EST",
        "Sat 23:00 EST",
        "Sun 00:00 EST",
        "Sun 01:00 EST",
        "Sun 03:00 EDT",
    ]


def test_a_night_shift_is_an_hour_longer_in_autumn() -> None:
    saturday = AUTUMN - timedelta(days=1)
    assert local_starts(saturday, "23:00-27:00", NEW_YORK, HOURS) == [
        "Sat 23:00 EDT",
        "Sun 00:00 EDT",
        "Sun 01:00 EDT",
        "Sun 01:00 EST",
        "Sun 02:00 EST",
    ]


def test_lord_howe_goes_back_by_half_an_hour() -> None:
    assert local_starts(date(2026, 4, 5), "01:00-02:30", "Australia/Lord_Howe") == [
        "Sun 01:00 +11",
        "Sun 01:30 +11",
        "Sun 01:30 +1030",
        "Sun 02:00 +1030",
    ]


def test_lord_howe_goes_ahead_by_half_an_hour() -> None:
    assert local_starts(date(2026, 10, 4), "01:30-03:00", "Australia/Lord_Howe") == [
        "Sun 01:30 +1030",
        "Sun 02:30 +11",
    ]


def test_apia_had_no_thirtieth_of_december() -> None:
    friday = date(2011, 12, 30)
    everyday = tuple(Weekly(weekday, 540, 600) for weekday in range(1, 8))
    schedule = ProviderSchedule(ANA, Opening(ZoneInfo("Pacific/Apia"), everyday))
    found = [datetime.fromtimestamp(slot.starts_at, schedule.opening.zone) for slot in slots(schedule, day=friday)]
    assert [f"{moment:%a %d %H:%M}" for moment in found[:2]] == ["Thu 29 09:00", "Sat 31 09:00"]
    assert found[1] - found[0] == timedelta(days=2)  # wall time; a day and no more had passed
    assert found[1].astimezone(UTC) - found[0].astimezone(UTC) == timedelta(days=1)


def test_a_night_shift_of_a_day_that_never_was_begins_after_it() -> None:
    assert local_starts(date(2011, 12, 30), "22:00-26:00", "Pacific/Apia", HOURS) == [
        "Sat 00:00 +14",
        "Sat 01:00 +14",
    ]


def test_sao_paulo_opened_at_one_when_midnight_was_skipped() -> None:
    assert local_starts(date(2018, 11, 4), "00:00-03:00", "America/Sao_Paulo", HOURS) == [
        "Sun 01:00 -02",
        "Sun 02:00 -02",
    ]


def test_sao_paulo_had_the_hour_before_midnight_twice() -> None:
    assert local_starts(date(2019, 2, 16), "22:00-24:00", "America/Sao_Paulo", HOURS) == [
        "Sat 22:00 -02",
        "Sat 23:00 -02",
        "Sat 23:00 -03",
    ]
