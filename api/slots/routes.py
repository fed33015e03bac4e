"""`/v1/businesses/{business}/slots`: what can be booked, at this moment."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from api.access import needs
from api.caching import SLOTS, Representation, answer_cached, represent
from api.deps import AppStateDep
from api.middleware import charge
from api.paths import IdOrSlug
from api.request_context import RequestContextDep
from api.shapes import Text, Zone
from api.slots.schemas import SlotsOut
from api.slots.window import DayOrMoment, window
from db.engine import autocommit
from db.repositories import availability, catalogue
from db.repositories.catalogue import Offering
from domain.access import Permission
from domain.areas import plain_code
from domain.availability import Slot
from domain.businesses import takes_bookings
from domain.errors import InvalidRequestError, NotFoundError
from domain.search import BusinessCalendar, SlotQuery
from runtime.json import to_json

_SLOT_BYTES: Final = 110
_OFFER_BYTES: Final = 39
"""The id of a provider who could take a slot."""
_MOST_BYTES: Final = 6 * 1024 * 1024
"""A month of fifty providers, every quarter of an hour, day and night."""
_MOST_BYTES_IN_LOOP: Final = 128 * 1024
"""Some milliseconds of work."""
_BYTES_OF_A_REQUEST: Final = 512 * 1024
"""What costs more than this counts as several requests."""
_SLOTS_OF_A_PIECE: Final = 100
# One at a time: these share the processor with everybody's short requests.
_LONG_LISTS: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="slots")

router = APIRouter(prefix="/v1/businesses", tags=["slots"])


@router.get(
    "/{business}/slots", operation_id="listSlots", dependencies=[needs(Permission.BROWSE)], response_model=SlotsOut
)
async def list_slots(
    business: IdOrSlug,
    request: Request,
    app: AppStateDep,
    context: RequestContextDep,
    service_id: Annotated[Text, Query(min_length=1, max_length=63, description="The service's id or code.")],
    from_: Annotated[DayOrMoment, Query(alias="from", description="First start.")],
    to: Annotated[DayOrMoment, Query(description="Starts before; a date is its midnight.")],
    provider_id: UUID | None = None,
    postal_code: Annotated[Text | None, Query(max_length=20, description="Where the work is to be done.")] = None,
    timezone: Annotated[Zone | None, Query(description="IANA zone; the business's own by default.")] = None,
) -> Response:
    """The appointments of a service that can be booked as they stand, with who could take each.

    `from` and `to` are at most 62 days apart, and fewer where steps are short or providers many: what may be more
    than 6 MiB is 422. A long list counts as several requests.

    The answer may be kept, but must be asked about again each time (`If-None-Match`): a booking changes it at
    once.
    """
    async with autocommit(app.engine) as conn:
        offering = await catalogue.find_offering(conn, business, service_id)
        if offering is None:
            raise NotFoundError(f"'{business}' offers no service '{service_id}'.")
        context.about(offering.business_id)
        zone = ZoneInfo(timezone or offering.timezone)
        search = SlotQuery(
            terms=offering.terms,
            zone=ZoneInfo(offering.timezone),
            window=window(from_, to, zone),
            now=app.now(),
            provider_id=provider_id,
            postal_code=plain_code(postal_code) if postal_code else None,
        )
        calendar = await availability.load(conn, offering.business_id, search)
    return answer_cached(request, await _represented(request, offering, calendar, zone), SLOTS)


async def _represented(
    request: Request, offering: Offering, calendar: BusinessCalendar, zone: ZoneInfo
) -> Representation:
    """The list, within bounds: a long one is refused, or charged for and made off the event loop.

    Raises:
        InvalidRequestError: it may be too long for one answer.
        RateLimitedError: the caller has not enough requests left for it.
    """
    most_bytes = _SLOT_BYTES * calendar.most_slots() + _OFFER_BYTES * calendar.most_offers()
    if most_bytes > _MOST_BYTES:
        raise InvalidRequestError(
            "That may be more slots than one answer holds: ask for fewer days or one provider."
        )
    if most_bytes <= _MOST_BYTES_IN_LOOP:
        return _represent(offering, calendar, zone)
    await charge(request, most_bytes // _BYTES_OF_A_REQUEST)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_LONG_LISTS, _represent, offering, calendar, zone)


def _represent(offering: Offering, calendar: BusinessCalendar, zone: ZoneInfo) -> Representation:
    """`SlotsOut` as JSON; a business that takes no bookings has no slots.

    It is written piece by piece: one call for all of it would keep every other thread waiting, the loop's too.
    """
    slots = calendar.slots() if takes_bookings(offering.business_status) else []
    pieces = (slots[first : first + _SLOTS_OF_A_PIECE] for first in range(0, len(slots), _SLOTS_OF_A_PIECE))
    items = b",".join(to_json([_slot(slot, zone) for slot in piece])[1:-1] for piece in pieces)
    head = to_json({"timezone": zone.key, "as_of": calendar.as_of})[:-1]
    return represent(head + b',"items":[' + items + b"]}")


def _slot(slot: Slot, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "starts_at": datetime.fromtimestamp(slot.starts_at, zone),
        "ends_at": datetime.fromtimestamp(slot.ends_at, zone),
        "provider_ids": slot.provider_ids,  # plain UUIDs, which are written faster than anything made of them
        "seats_left": slot.seats_left,
    }
