"""Schedules written as text, and their slots, which the oracle must find as well."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from domain.availability import Interval, ProviderSchedule, Slot, SlotConstraints, find_slots
from domain.hours import Opening, Weekly
from tests.support.domain.availability_oracle import Oracle, clock, every_slot
from tests.support.domain.builders import ANA

MONDAY: Final = date(2026, 6, 8)
"""An ordinary day, in UTC."""
HOUR: Final = 3600
HOURS: Final = SlotConstraints(duration=HOUR, step_minutes=60)


def minutes(time: str) -> int:
    """`26:00` is two in the morning of the next day."""
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)


def open_on(day: date, *spans: str, zone: str = "UTC") -> Opening:
    """Open on this weekday, at times such as `08:00-12:00`."""
    ends = [(minutes(opens), minutes(closes)) for opens, closes in (span.split("-") for span in spans)]
    return Opening(ZoneInfo(zone), tuple(Weekly(day.isoweekday(), opens, closes) for opens, closes in ends))


def ana(*spans: str, **changes: Any) -> ProviderSchedule:
    """The schedule of Ana, who works at these times on Monday."""
    return replace(ProviderSchedule(ANA, open_on(MONDAY, *spans)), **changes)


def at(time: str, day: date = MONDAY) -> int:
    """The instant of a time in UTC."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(midnight.timestamp()) + minutes(time) * 60


def span(text: str) -> Interval:
    begin, end = text.split("-")
    return at(begin), at(end)


def slots(*schedules: ProviderSchedule, constraints: SlotConstraints = HOURS, day: date = MONDAY) -> list[Slot]:
    """The slots within a day before the date and two days after it, which the oracle must see too."""
    window = at("-24:00", day), at("72:00", day)
    found = find_slots(schedules, constraints, window)
    time = clock(schedules[0].opening.zone.key, day)
    expected = every_slot([Oracle(schedule, constraints, time) for schedule in schedules], window)
    assert [(slot.starts_at, slot.ends_at, slot.provider_ids, slot.seats_left) for slot in found] == expected
    return found


def starts(*schedules: ProviderSchedule, constraints: SlotConstraints = HOURS) -> list[str]:
    """The times at which appointments may begin on the Monday."""
    return [
        f"{datetime.fromtimestamp(slot.starts_at, UTC):%H:%M}"
        for slot in slots(*schedules, constraints=constraints)
    ]
