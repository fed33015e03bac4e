"""Turning a hold into a booking: whose time it is was decided when it was held."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from api.reserving import Ask
from db.repositories import calendar, holds
from db.repositories.catalogue import Offering
from db.repositories.choosing import Chosen
from domain.errors import HoldExpiredError, InvalidRequestError, NotFoundError


async def chosen_by_hold(
    conn: AsyncConnection, user_id: UUID, hold_id: UUID, offering: Offering, ask: Ask
) -> Chosen:
    """The provider whose time is held.

    Raises:
        NotFoundError: the caller holds nothing of this id.
        HoldExpiredError: not any more.
        InvalidRequestError: the hold is for something else than what is booked.
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
    candidate = await calendar.find_provider(conn, offering.business_id, hold["provider_id"], ())
    assert candidate is not None  # a foreign key keeps the provider
    return Chosen(candidate, holds.choice_of(hold))
