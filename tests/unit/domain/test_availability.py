"""Free appointments by example: open time, reservations, limits, group sessions."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.availability import ProviderSchedule, Session, SlotConstraints, find_slots, has_time, is_bookable
from domain.hours import DateException, ExceptionKind
from tests.support.domain.builders import ANA, BEN
from tests.support.domain.schedules import HOUR, HOURS, MONDAY, ana, at, minutes, open_on, slots, span, starts

YOGA = replace(HOURS, before=600, after=600, capacity=8)


def test_an_appointment_ends_by_closing_at_the_latest() -> None:
    assert starts(ana("08:00-10:30")) == ["08:00", "09:00"]
    assert starts(ana("08:00-11:00")) == ["08:00", "09:00", "10:00"]


def test_hours_that_touch_are_one() -> None:
    constraints = SlotConstraints(duration=HOUR, step_minutes=210)
    assert starts(ana("08:00-12:00", "12:00-16:00"), constraints=constraints) == ["08:00", "11:30", "12:00"]


def test_an_appointment_does_not_go_on_over_lunch() -> None:
    assert starts(ana("08:00-12:00", "13:00-15:00"), constraints=SlotConstraints(HOUR, step_minutes=30))[-5:] == [
        "10:30",
        "11:00",
        "13:00",
        "13:30",
        "14:00",
    ]


def test_each_rule_counts_from_its_own_opening() -> None:
    assert starts(ana("08:00-10:00", "10:20-12:00")) == ["08:00", "09:00", "10:20"]


def test_extra_hours_reach_into_the_usual_ones() -> None:
    extra = DateException(MONDAY, ExceptionKind.EXTRA, opens=minutes("07:30"), closes=minutes("08:30"))
    opening = replace(open_on(MONDAY, "08:00-10:00"), exceptions=(extra,))
    assert starts(ProviderSchedule(ANA, opening)) == ["07:30", "08:00", "09:00"]


def test_a_provider_without_hours_has_no_slots() -> None:
    assert starts(ana()) == []


def test_an_outside_calendar_takes_the_place_of_the_rules() -> None:
    open_elsewhere = (span("13:10-15:10"), span("15:10-16:00"))
    assert starts(ana("08:00-10:00", open_elsewhere=open_elsewhere)) == ["13:10", "14:10"]
    assert starts(ana("08:00-10:00", open_elsewhere=())) == []


def test_an_outside_calendar_is_nobody_elses() -> None:
    opening = open_on(MONDAY, "08:00-09:00")
    outside = ProviderSchedule(ANA, opening, open_elsewhere=(span("13:00-14:00"),))
    for schedules in ([outside, ProviderSchedule(BEN, opening)], [ProviderSchedule(BEN, opening), outside]):
        found = [(slot.starts_at, slot.provider_ids) for slot in slots(*schedules)]
        assert found == [(at("08:00"), [BEN]), (at("13:00"), [ANA])]


def test_appointments_may_touch_a_reservation() -> None:
    schedule = ana("08:00-12:00", busy=(span("09:00-10:00"),))
    assert starts(schedule) == ["08:00", "10:00", "11:00"]
    assert starts(replace(schedule, busy=(span("09:00-10:01"),))) == ["08:00", "11:00"]


def test_buffers_reach_beyond_opening_hours() -> None:
    assert starts(ana("08:00-09:00"), constraints=replace(HOURS, before=HOUR, after=HOUR)) == ["08:00"]


def test_buffers_do_not_reach_into_a_reservation() -> None:
    schedule = ana("08:00-12:00", busy=(span("07:00-08:00"), span("10:30-10:45")))
    assert starts(schedule) == ["08:00", "09:00", "11:00"]
    assert starts(schedule, constraints=replace(HOURS, before=15 * 60)) == ["09:00", "11:00"]
    assert starts(schedule, constraints=replace(HOURS, before=16 * 60)) == ["09:00"]
    assert starts(schedule, constraints=replace(HOURS, after=30 * 60)) == ["08:00", "09:00", "11:00"]
    assert starts(schedule, constraints=replace(HOURS, after=31 * 60)) == ["08:00", "11:00"]


def test_buffers_may_lie_in_time_off() -> None:
    schedule = ana("08:00-12:00", away=(span("09:00-10:00"),))
    assert starts(schedule, constraints=replace(HOURS, before=HOUR, after=HOUR)) == ["08:00", "10:00", "11:00"]


def test_reservations_within_others_change_nothing() -> None:
    schedule = ana("08:00-14:00", busy=(span("09:00-12:00"), span("09:30-10:00"), span("09:00-10:00")))
    assert starts(schedule) == ["08:00", "12:00", "13:00"]


def test_what_one_provider_has_taken_leaves_the_other_free() -> None:
    opening = open_on(MONDAY, "08:00-10:00")
    busy, free = ProviderSchedule(BEN, opening, busy=(span("08:00-09:00"),)), ProviderSchedule(ANA, opening)
    found = [(slot.starts_at, slot.provider_ids, slot.seats_left) for slot in slots(busy, free)]
    assert found == [(at("08:00"), [ANA], 1), (at("09:00"), [BEN, ANA], 2)]


def test_notice_and_horizon_include_their_ends() -> None:
    constraints = replace(HOURS, earliest=at("09:00"), latest=at("11:00"))
    assert starts(ana("08:00-14:00"), constraints=constraints) == ["09:00", "10:00", "11:00"]
    constraints = replace(HOURS, earliest=at("09:01"), latest=at("10:59"))
    assert starts(ana("08:00-14:00"), constraints=constraints) == ["10:00"]


def test_a_full_day_offers_nothing() -> None:
    assert starts(ana("08:00-12:00"), constraints=replace(HOURS, full=(span("09:00-11:00"),))) == [
        "08:00",
        "11:00",
    ]


@pytest.mark.parametrize(
    ("window", "expected"),
    [("08:00-10:00", 2), ("08:01-10:01", 2), ("09:00-09:00", 0), ("10:00-08:00", 0), ("11:00-11:01", 1)],
)
def test_a_window_is_about_starts_and_excludes_its_end(window: str, expected: int) -> None:
    assert len(find_slots([ana("08:00-12:00")], HOURS, span(window))) == expected


def test_what_is_bookable_is_what_is_offered() -> None:
    schedule = ana("08:00-12:00", busy=(span("10:00-11:00"),))
    times = ("07:00", "08:00", "08:30", "09:00", "10:00", "11:00", "12:00")
    assert [time for time in times if is_bookable(schedule, HOURS, at(time))] == ["08:00", "09:00", "11:00"]
    assert not is_bookable(schedule, HOURS, at("08:00") + 1)


def test_an_agreed_appointment_keeps_to_no_grid_and_no_notice() -> None:
    schedule = ana("08:00-10:00", "10:00-12:00", busy=(span("11:00-12:00"),))
    constraints = replace(HOURS, earliest=at("20:00"), full=(span("00:00-24:00"),))
    times = ("07:59", "08:00", "08:07", "09:30", "10:00", "10:01", "11:30")
    assert [time for time in times if has_time(schedule, constraints, at(time))] == [
        "08:00",
        "08:07",
        "09:30",
        "10:00",
    ]


def test_an_agreed_appointment_keeps_clear_of_time_off_and_of_buffers() -> None:
    schedule = ana("08:00-12:00", away=(span("09:00-10:00"),), busy=(span("11:00-12:00"),))
    times = ("08:00", "08:01", "09:59", "10:00")
    assert [time for time in times if has_time(schedule, HOURS, at(time))] == ["08:00", "10:00"]
    assert not has_time(schedule, replace(HOURS, after=60), at("10:00"))


def begun(seats_left: int, taken: str = "08:50-10:10", **changes: Any) -> ProviderSchedule:
    session = Session(*span(taken), seats_left)
    return ana("08:00-12:00", sessions=(session,), busy=(span(taken),), **changes)


def seats(*schedules: ProviderSchedule) -> dict[str, int]:
    found = slots(*schedules, constraints=YOGA)
    return {f"{datetime.fromtimestamp(slot.starts_at, UTC):%H:%M}": slot.seats_left for slot in found}


def test_a_session_that_has_begun_to_fill_offers_its_last_seats() -> None:
    assert seats(begun(3)) == {"09:00": 3, "11:00": 8}


def test_a_full_session_offers_nothing() -> None:
    assert seats(begun(0)) == {"11:00": 8}


def test_only_the_very_same_time_is_shared() -> None:
    """As when the service has since been made shorter, or lost a buffer."""
    assert seats(begun(3, taken="08:50-10:09")) == {"11:00": 8}
    assert seats(begun(3, taken="09:00-10:10")) == {"11:00": 8}


def test_the_seats_of_several_providers_add_up() -> None:
    assert seats(begun(3), ProviderSchedule(BEN, open_on(MONDAY, "09:00-10:00"))) == {"09:00": 11, "11:00": 8}


def test_nobody_joins_a_session_during_time_off_or_after_closing() -> None:
    assert seats(begun(3, away=(span("09:30-09:40"),))) == {"11:00": 8}
    assert seats(begun(3, opening=open_on(MONDAY, "11:00-12:00"))) == {"11:00": 8}


def test_a_service_for_one_has_no_sessions() -> None:
    schedule = begun(3)
    assert starts(schedule, constraints=replace(YOGA, capacity=1)) == ["11:00"]
    assert not has_time(schedule, replace(YOGA, capacity=1), at("09:00"))


def test_a_seat_is_time_enough() -> None:
    assert has_time(begun(1), YOGA, at("09:00"))
    assert is_bookable(begun(1), YOGA, at("09:00"))
    assert not has_time(begun(0), YOGA, at("09:00"))


def test_schedules_may_be_made_while_they_are_looked_through() -> None:
    """Rules that are thrown away may leave their place in memory, and so their `id`, to the next ones."""

    def each() -> Iterator[ProviderSchedule]:
        for n in range(1000):
            hour = n % 20
            yield ProviderSchedule(UUID(int=n), open_on(MONDAY, f"{hour}:00-{hour + 1}:00"))

    found = find_slots(each(), HOURS, span("00:00-24:00"))
    offered = {provider_id.int: slot.starts_at for slot in found for provider_id in slot.provider_ids}
    assert offered == {n: at(f"{n % 20}:00") for n in range(1000)}
    assert sum(len(slot.provider_ids) for slot in found) == 1000
