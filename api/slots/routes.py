"""`/v1/businesses/{business}/slots`: what can be booked, at this moment."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from api.access import needs
from api.businesses.paths import IdOrSlug
from api.caching import SLOTS, cached
from api.deps import AppParts
from api.exchange import ThisExchange
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
from domain.search import Calendar, Search

_MOST_OFFERS: Final = 200_000
"""Starts times providers, 40 bytes each: a month of fifty providers, every quarter of an hour, day and night."""

router = APIRouter(prefix="/v1/businesses", tags=["slots"])


@router.get(
    "/{business}/slots", operation_id="listSlots", dependencies=[needs(Permission.BROWSE)], response_model=SlotsOut
)
async def list_slots(
    business: IdOrSlug,
    request: Request,
    parts: AppParts,
    exchange: ThisExchange,
    service_id: Annotated[Text, Query(min_length=1, max_length=63, description="The service's id or code.")],
    from_: Annotated[DayOrMoment, Query(alias="from", description="First start.")],
    to: Annotated[DayOrMoment, Query(description="Starts before; a date is its midnight.")],
    provider_id: UUID | None = None,
    postal_code: Annotated[Text | None, Query(max_length=20, description="Where the work is to be done.")] = None,
    timezone: Annotated[Zone | None, Query(description="IANA zone; the business's own by default.")] = None,
) -> Response:
    """The appointments of a service that can be booked as they stand, with who could take each.

    `from` and `to` are at most 62 days apart. The answer may be kept, but must be asked about again each time
    (`If-None-Match`): a booking changes it at once.
    """
    async with autocommit(parts.engine) as conn:
        offering = await catalogue.find_offering(conn, business, service_id)
        if offering is None:
            raise NotFoundError(f"'{business}' offers no service '{service_id}'.")
        exchange.business_id = offering.business_id
        zone = ZoneInfo(timezone or offering.timezone)
        search = Search(
            terms=offering.terms,
            zone=ZoneInfo(offering.timezone),
            window=window(from_, to, zone),
            now=parts.now(),
            provider_id=provider_id,
            postal_code=plain_code(postal_code) if postal_code else None,
        )
        calendar = await availability.load(conn, offering.business_id, search)
    if calendar.most_offers() > _MOST_OFFERS:
        raise InvalidRequestError(
            "That may be more slots than one answer holds: ask for fewer days or one provider."
        )
    return cached(request, _rendered(offering, calendar, zone), SLOTS)


def _rendered(offering: Offering, calendar: Calendar, zone: ZoneInfo) -> dict[str, Any]:
    """The members of `SlotsOut`; a business that takes no bookings has no slots."""
    slots = calendar.slots() if takes_bookings(offering.business_status) else []
    return {
        "timezone": zone.key,
        "as_of": calendar.as_of,
        "items": [_slot(slot, zone) for slot in slots],
    }


def _slot(slot: Slot, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "starts_at": datetime.fromtimestamp(slot.starts_at, zone),
        "ends_at": datetime.fromtimestamp(slot.ends_at, zone),
        "provider_ids": slot.provider_ids,  # plain UUIDs, which are written faster than anything made of them
        "seats_left": slot.seats_left,
    }
