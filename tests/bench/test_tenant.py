"""The benchmarks' slots must exist: on the grid, within opening hours, each for one caller only."""

import pytest

from bench.tenant import AROUND_THE_CLOCK, NINE_TO_FIVE, PROVIDERS, SLOT_MINUTES, Hours, Slots, Tenant


@pytest.mark.parametrize("hours", [AROUND_THE_CLOCK, NINE_TO_FIVE])
def test_slots_are_within_opening_hours_and_returned_once(hours: Hours) -> None:
    slots = Slots(Tenant("t", hours))
    taken = [slots.take() for _ in range(2 * PROVIDERS * hours.slots)]
    assert len({(slot.provider, slot.starts_at) for slot in taken}) == len(taken)
    for slot in taken:
        wall = slot.starts_at.astimezone(hours.zone)
        minute = wall.hour * 60 + wall.minute
        assert (minute - hours.opens) % SLOT_MINUTES == 0
        assert hours.opens <= minute <= hours.closes - SLOT_MINUTES


def test_no_two_providers_share_the_bits_that_the_calendar_index_compares() -> None:
    seen = {person.provider_id.int >> (128 - 53) for person in Tenant().providers if person.provider_id}
    assert len(seen) == PROVIDERS
