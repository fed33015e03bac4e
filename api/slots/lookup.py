"""Finding what can be booked: the calendar of one service, within bounds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from api.deps import AppState
from api.request_context import RequestContext
from api.slots.window import window
from db.engine import autocommit
from db.repositories import services
from db.repositories.services import Offering
from db.scheduling import placement
from domain.availability import Slot
from domain.businesses import takes_bookings
from domain.errors import InvalidRequestError, NotFoundError
from domain.slots import BusinessCalendar

_SLOT_BYTES = 110
_OFFER_BYTES = 39
"""The id of a provider who could take a slot."""
_MAX_BYTES = 6 * 1024 * 1024
"""A month of fifty providers, every quarter of an hour, day and night."""
_BYTES_OF_A_REQUEST = 512 * 1024
"""A longer list counts as several requests."""


@dataclass(frozen=True, slots=True)
class SlotsRequest:
    """Whose slots are asked for, and when."""

    business: str
    """Its id or slug."""
    service: str
    """Its id or code."""
    from_: date | datetime
    to: date | datetime
    provider_id: UUID | None = None
    postal_code: str | None = None
    timezone: str | None = None
    """An IANA zone; none: the business's own."""
    with_providers: bool = True
    """Whether the answer lists who could take each slot."""


@dataclass(frozen=True, slots=True)
class SlotCalendar:
    """What is open and taken in the window, from which the slots are computed."""

    offering: Offering
    calendar: BusinessCalendar
    zone: ZoneInfo
    with_providers: bool

    @property
    def max_bytes(self) -> int:
        """An upper bound of the list's size as JSON."""
        offers = _OFFER_BYTES * self.calendar.most_offers() if self.with_providers else 0
        return _SLOT_BYTES * self.calendar.most_slots() + offers

    def slots(self) -> list[Slot]:
        """The slots; a business that takes no bookings has none."""
        return self.calendar.slots() if takes_bookings(self.offering.business_status) else []


async def find_slots(
    app: AppState, context: RequestContext, asked: SlotsRequest, charge: Callable[[int], Awaitable[None]]
) -> SlotCalendar:
    """The calendar of the service; `charge` counts a long list as further requests.

    Raises:
        NotFoundError: there is no such business, or it offers no such service.
        InvalidRequestError: the window is empty or too long, or the list may be too long for one answer.
        RateLimitedError: the caller's quota does not cover the list.
    """
    async with autocommit(app.engine) as conn:
        offering = await services.find_offering(conn, asked.business, asked.service)
        if offering is None:
            raise NotFoundError(f"'{asked.business}' offers no service '{asked.service}'.")
        context.about(offering.business_id)
        zone = ZoneInfo(asked.timezone or offering.timezone)
        calendar = await placement.read_slots(
            conn,
            offering,
            window(asked.from_, asked.to, zone),
            app.now(),
            provider_id=asked.provider_id,
            postal_code=asked.postal_code,
        )
    found = SlotCalendar(offering, calendar, zone, asked.with_providers)
    await charge(_cost_in_requests(found.max_bytes))
    return found


def _cost_in_requests(max_bytes: int) -> int:
    """How many further requests the list counts as; 0 for a short one."""
    if max_bytes > _MAX_BYTES:
        raise InvalidRequestError(
            "That may be more slots than one answer holds: ask for fewer days or one provider."
        )
    return max_bytes // _BYTES_OF_A_REQUEST
