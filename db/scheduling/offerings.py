"""The offering behind a requested appointment, at its present price or at the price of a hold."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import holds, services
from db.repositories.services import Offering
from db.scheduling.requests import AppointmentRequest
from domain.businesses import require_taking_bookings
from domain.errors import InvalidRequestError, NotFoundError


async def find_offering(
    conn: AsyncConnection, request: AppointmentRequest, user_id: UUID | None, now: datetime
) -> Offering:
    """The requested service, if it exists and can be booked at all.

    Raises:
        NotFoundError: there is no such service of such a business.
        InvalidRequestError: the business takes no bookings, or the time has passed.
    """
    offering = await services.find_offering(conn, request.business, request.service, user_id=user_id)
    if offering is None:
        raise NotFoundError(f"'{request.business}' offers no service '{request.service}'.")
    require_taking_bookings(offering.business_status)
    if request.starts_at <= now:
        raise InvalidRequestError("starts_at lies in the past.")
    return offering


async def as_held(
    conn: AsyncConnection, offering: Offering, user_id: UUID | None, hold_id: UUID | None
) -> Offering:
    """The offering at the price that the caller's hold promised.

    It stays as it is without a hold, and with a hold that does not fit, which the booking refuses later.
    """
    if hold_id is None or user_id is None:
        return offering
    hold = await holds.find_own(conn, user_id, hold_id)
    if hold is None or hold["service_id"] != offering.rules.service_id:
        return offering
    promise = holds.promise_of(hold)
    return offering if promise is None else offering.as_promised(promise)
