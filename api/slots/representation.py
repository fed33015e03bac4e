"""The slot list as JSON, within bounds: a long one is made off the event loop, a longer one is refused."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from api.caching import Representation, represent
from db.repositories.services import Offering
from domain.availability import Slot
from domain.businesses import takes_bookings
from domain.errors import InvalidRequestError
from domain.slots import BusinessCalendar
from runtime.json import to_json

_SLOT_BYTES: Final = 110
_OFFER_BYTES: Final = 39
"""The id of a provider who could take a slot."""
_MAX_BYTES: Final = 6 * 1024 * 1024
"""A month of fifty providers, every quarter of an hour, day and night."""
_MAX_BYTES_IN_LOOP: Final = 128 * 1024
"""Some milliseconds of work."""
_BYTES_OF_A_REQUEST: Final = 512 * 1024
"""A longer list counts as several requests."""
_SLOTS_OF_A_PIECE: Final = 100
# One thread: long lists share the processor with everybody's short requests.
_LONG_LISTS: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slots")


@dataclass(frozen=True, slots=True)
class SlotShape:
    """How the slots are written."""

    zone: ZoneInfo
    with_providers: bool = True

    def max_bytes(self, calendar: BusinessCalendar) -> int:
        """The length of the list at most."""
        offers = _OFFER_BYTES * calendar.most_offers() if self.with_providers else 0
        return _SLOT_BYTES * calendar.most_slots() + offers

    def slot(self, slot: Slot) -> dict[str, Any]:
        """`SlotOut` of a slot."""
        return {
            "starts_at": datetime.fromtimestamp(slot.starts_at, self.zone),
            "ends_at": datetime.fromtimestamp(slot.ends_at, self.zone),
            # Plain UUIDs, which are written faster than anything made of them.
            "provider_ids": slot.provider_ids if self.with_providers else (),
            "seats_left": slot.seats_left,
        }


def cost_in_requests(calendar: BusinessCalendar, shape: SlotShape) -> int:
    """How many further requests the list counts as; 0 for a short one.

    Raises:
        InvalidRequestError: the list may be too long for one answer.
    """
    max_bytes = shape.max_bytes(calendar)
    if max_bytes > _MAX_BYTES:
        raise InvalidRequestError(
            "That may be more slots than one answer holds: ask for fewer days or one provider."
        )
    return max_bytes // _BYTES_OF_A_REQUEST


async def slot_list(offering: Offering, calendar: BusinessCalendar, shape: SlotShape) -> Representation:
    """`SlotsOut` as JSON."""
    if shape.max_bytes(calendar) <= _MAX_BYTES_IN_LOOP:
        return _represent(offering, calendar, shape)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_LONG_LISTS, _represent, offering, calendar, shape)


def _represent(offering: Offering, calendar: BusinessCalendar, shape: SlotShape) -> Representation:
    """The JSON; a business that takes no bookings has no slots.

    It is written piece by piece: one call for everything would block every other thread, the event loop's too.
    """
    slots = calendar.slots() if takes_bookings(offering.business_status) else []
    pieces = (slots[first : first + _SLOTS_OF_A_PIECE] for first in range(0, len(slots), _SLOTS_OF_A_PIECE))
    items = b",".join(to_json([shape.slot(slot) for slot in piece])[1:-1] for piece in pieces)
    head = to_json({"timezone": shape.zone.key, "as_of": calendar.as_of})[:-1]
    return represent(head + b',"items":[' + items + b"]}")
