"""The slot list as JSON; a long one is made off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, TypeVar

from api.caching import Representation, represent
from api.slots.lookup import SlotCalendar
from domain.availability import Slot
from runtime.json import to_json

_MAX_BYTES_IN_LOOP: Final = 128 * 1024
"""Some milliseconds of work."""
_SLOTS_OF_A_PIECE: Final = 100
# One thread: long lists share the processor with everybody's short requests.
_LONG_LISTS: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slots")

Made = TypeVar("Made")


async def made(found: SlotCalendar, make: Callable[[SlotCalendar], Made]) -> Made:
    """What is made of the slots; a long list is made off the event loop."""
    if found.max_bytes <= _MAX_BYTES_IN_LOOP:
        return make(found)
    return await asyncio.get_running_loop().run_in_executor(_LONG_LISTS, make, found)


def slot_list(found: SlotCalendar) -> Representation:
    """`SlotsOut` as JSON.

    It is made piece by piece: one call for everything would block every other thread, the event loop's too.
    """
    slots = found.slots()
    pieces = (slots[first : first + _SLOTS_OF_A_PIECE] for first in range(0, len(slots), _SLOTS_OF_A_PIECE))
    items = b",".join(to_json([_slot(slot, found) for slot in piece])[1:-1] for piece in pieces)
    head = to_json({"timezone": found.zone.key, "as_of": found.calendar.as_of})[:-1]
    return represent(head + b',"items":[' + items + b"]}")


def _slot(slot: Slot, found: SlotCalendar) -> dict[str, Any]:
    return {
        "starts_at": datetime.fromtimestamp(slot.starts_at, found.zone),
        "ends_at": datetime.fromtimestamp(slot.ends_at, found.zone),
        # Plain UUIDs, which are written faster than anything made of them.
        "provider_ids": slot.provider_ids if found.with_providers else (),
        "seats_left": slot.seats_left,
    }
