"""Turning a hold into a booking: whose time it is was decided when it was held."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from api.reserving import Ask, search_for
from db.repositories import availability, calendar, choosing, holds
from db.repositories.calendar import Wanted
from db.repositories.catalogue import Offering
from db.repositories.choosing import Chosen
from domain.errors import HoldExpiredError, InvalidRequestError, NotFoundError


async def chosen_by_hold(
    conn: AsyncConnection, user_id: UUID, hold_id: UUID, offering: Offering, ask: Ask, now: datetime
) -> Chosen:
    """The provider whose time is held.

    Raises:
        NotFoundError: the caller holds nothing of this id.
        HoldExpiredError: not any more, or not for as long as the service takes by now.
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
    wanted = Wanted(ask.starts_at, offering.terms)
    if hold["ends_at"] != wanted.ends_at:
        raise HoldExpiredError(
            "The service does not take as long as it did when this time was held. Hold it again."
        )
    # It counts towards its day as a hold, then as a booking: nobody may count while it is neither.
    await calendar.take_turns(conn, offering.business_id, choosing.day_turns(wanted, ZoneInfo(offering.timezone)))
    await _require_served(conn, offering, replace(ask, provider_id=hold["provider_id"]), now)
    candidate = await calendar.find_provider(conn, offering.business_id, hold["provider_id"], ())
    assert candidate is not None  # a foreign key keeps the provider
    return Chosen(candidate, holds.choice_of(hold))


async def _require_served(conn: AsyncConnection, offering: Offering, ask: Ask, now: datetime) -> None:
    """The address may be another one than the time was held for."""
    search = search_for(offering, ask, now, None)
    (await availability.load(conn, offering.business_id, search)).require_served()
