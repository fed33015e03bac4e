"""Turning a hold into a booking: whose time it is was decided when it was held."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from api.reserving import AppointmentRequest, search_for
from db.repositories import availability, calendar, holds, placement
from db.repositories.calendar import Appointment
from db.repositories.catalogue import Offering
from db.repositories.placement import ProviderChoice
from domain.errors import HoldExpiredError, InvalidRequestError, NotFoundError
from domain.search import BookingRules


async def as_held(conn: AsyncConnection, user_id: UUID, hold_id: UUID, offering: Offering) -> Offering:
    """The offering at what it cost when the caller held it; what is no such hold is refused with the booking."""
    hold = await holds.find_own(conn, user_id, hold_id)
    if hold is None or hold["service_id"] != offering.terms.service_id:
        return offering
    promise = holds.promise_of(hold)
    return offering if promise is None else offering.as_promised(promise)


async def chosen_by_hold(
    conn: AsyncConnection, user_id: UUID, hold_id: UUID, offering: Offering, ask: AppointmentRequest, now: datetime
) -> ProviderChoice:
    """The provider whose time is held.

    Raises:
        NotFoundError: the caller holds nothing of this id.
        HoldExpiredError: not any more, or not for as long as the service takes by now; or the provider is away
            then, or closed, by now.
        InvalidRequestError: the hold is for something else than what is booked.
        OutsideServiceAreaError: the address that is given now is not served.
    """
    hold = await holds.find_own(conn, user_id, hold_id)
    if hold is None:
        raise NotFoundError(f"You have no hold {hold_id}.")
    if not hold["is_live"]:
        raise HoldExpiredError
    same = (hold["business_id"], hold["service_id"], hold["starts_at"]) == (
        offering.business_id,
        offering.terms.service_id,
        ask.starts_at,
    )
    if not same or ask.provider_id not in (None, hold["provider_id"]):
        raise InvalidRequestError("The hold is for another service, time or provider than this booking.")
    wanted = Appointment(ask.starts_at, offering.terms)
    if hold["ends_at"] != wanted.ends_at:
        raise HoldExpiredError(
            "The service does not take as long as it did when this time was held. Hold it again."
        )
    # It counts towards its day as a hold, then as a booking: nobody may count while it is neither.
    await calendar.take_turns(conn, offering.business_id, placement.day_turns(wanted, ZoneInfo(offering.timezone)))
    await _require_there(conn, offering, replace(ask, provider_id=hold["provider_id"]), hold_id, now)
    candidate = await calendar.find_provider(conn, offering.business_id, hold["provider_id"], ())
    assert candidate is not None  # a foreign key keeps the provider
    return ProviderChoice(candidate, holds.choice_of(hold))


async def _require_there(
    conn: AsyncConnection, offering: Offering, ask: AppointmentRequest, hold_id: UUID, now: datetime
) -> None:
    """Refuse an address that is not served, which may be another one than the time was held for, and an absence.

    Who may be booked (notice, horizon, whether they take more) was decided when the time was held. Whether they
    are there is asked again: time off that came in between, other hours or an outside appointment end the hold.
    """
    search = replace(search_for(offering, ask, now, None), terms=_by_anybody(offering), redeemed_hold_id=hold_id)
    if not (await availability.load(conn, offering.business_id, search)).free_at(ask.starts_at):
        raise HoldExpiredError(
            "The provider is not there at this time any more. Look for a slot and hold it again."
        )


def _by_anybody(offering: Offering) -> BookingRules:
    return replace(offering.terms, required_skills=())
