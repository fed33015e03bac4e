"""Finding the provider for an appointment that somebody asks for: the same for a booking and for a hold."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import calendar, catalogue, placement
from db.repositories.calendar import Appointment
from db.repositories.catalogue import Offering
from db.repositories.placement import ProviderChoice
from domain.areas import plain_code
from domain.assignment import AssignmentStrategy
from domain.businesses import require_taking_bookings
from domain.errors import InvalidRequestError, NotFoundError, ProviderUnfitError, SlotUnavailableError
from domain.policies import Intake
from domain.search import SlotQuery
from domain.zones import epoch

TRIES = 100
"""How often time that looked free may turn out to be taken before we give up: each time somebody else got it."""


@dataclass(frozen=True, slots=True)
class AppointmentRequest:
    """An appointment as somebody asks for it; business and service by id, or by slug and code."""

    business: str
    service: str
    starts_at: datetime
    provider_id: UUID | None = None
    preferred_provider_id: UUID | None = None
    postal_code: str | None = None


async def find_offering(
    conn: AsyncConnection, ask: AppointmentRequest, user_id: UUID | None, now: datetime
) -> Offering:
    """What is asked for, if it is there and can be booked at all.

    Raises:
        NotFoundError: no such service of such a business.
        InvalidRequestError: the business is not taking bookings, or the time has passed.
    """
    offering = await catalogue.find_offering(conn, ask.business, ask.service, user_id=user_id)
    if offering is None:
        raise NotFoundError(f"'{ask.business}' offers no service '{ask.service}'.")
    require_taking_bookings(offering.business_status)
    if ask.starts_at <= now:
        raise InvalidRequestError("starts_at lies in the past.")
    return offering


async def choose(
    conn: AsyncConnection,
    offering: Offering,
    ask: AppointmentRequest,
    now: datetime,
    customer_id: UUID | None = None,
) -> ProviderChoice | None:
    """Who takes it, in the transaction that goes on to reserve their time; none: nobody yet, which is fine.

    The customer, where they are known, is whom `preferred_first` looks at.

    Raises:
        HoldfastError: `slot_unavailable`, `provider_unfit`, `outside_service_area` or `day_full`.
    """
    search, strategy = search_for(offering, ask, now, customer_id), offering.policy.assignment
    wanted = Appointment(ask.starts_at, offering.terms)
    read = await placement.read_calendar(conn, offering.business_id, search, wanted, strategy)
    if offering.policy.intake is Intake.DISPATCH:
        read.admit(ask.starts_at)
        free = read.free_at(ask.starts_at) if ask.provider_id is not None else []
    else:
        free = read.bookable_at(ask.starts_at)
    if free:
        return next(placement.best(free, search, strategy))
    if ask.provider_id is not None:
        await _check_fit(conn, offering, ask.provider_id)
    if offering.policy.intake is Intake.INSTANT:
        raise SlotUnavailableError
    return None


def search_for(offering: Offering, ask: AppointmentRequest, now: datetime, customer_id: UUID | None) -> SlotQuery:
    """What is asked, as a question to the calendar."""
    at = epoch(ask.starts_at)
    return SlotQuery(
        terms=offering.terms,
        zone=ZoneInfo(offering.timezone),
        window=(at, at + 1),
        now=now,
        provider_id=ask.provider_id,
        postal_code=plain_code(ask.postal_code) if ask.postal_code else None,
        at_address=True,
        customer_id=customer_id,
        preferred_provider_id=ask.preferred_provider_id,
        weighs_load=offering.policy.assignment is AssignmentStrategy.LEAST_BUSY,
    )


async def _check_fit(conn: AsyncConnection, offering: Offering, provider_id: UUID) -> None:
    fit = await calendar.find_provider(conn, offering.business_id, provider_id, offering.terms.required_skills)
    if fit is None:
        raise ProviderUnfitError
