"""What the bench asks for must be on offer: on the grid, within hours, and to one caller only."""

import pytest

from bench.tenant import AROUND_THE_CLOCK, NINE_TO_FIVE, PROVIDERS, SLOT_MINUTES, Hours, Slots, Tenant


@pytest.mark.parametrize("hours", [AROUND_THE_CLOCK, NINE_TO_FIVE])
def test_slots_lie_within_hours_and_are_handed_out_once(hours: Hours) -> None:
    slots = Slots(Tenant("t", hours))
    taken = [slots.take() for _ in range(2 * PROVIDERS * hours.slots)]
    assert len({(slot.provider, slot.starts_at) for slot in taken}) == len(taken)
    for slot in taken:
        wall = slot.starts_at.astimezone(hours.zone)
        minute = wall.hour * 60 + wall.minute
        assert (minute - hours.opens) % SLOT_MINUTES == 0
        assert hours.opens <= minute <= hours.closes - SLOT_MINUTES


def test_no_two_providers_share_the_bits_that_the_calendars_index_sees() -> None:
    seen = {person.provider_id.int >> (128 - 53) for person in Tenant().providers if person.provider_id}
    assert len(seen) == PROVIDERS
