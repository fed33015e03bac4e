"""Holds: reserve time for a caller until the hold expires, and hand it over to a booking."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.repositories import audit, holds, idempotency, locks
from db.repositories.audit import Entry
from db.repositories.holds import Insertion
from db.repositories.idempotency import Answer, Key
from db.repositories.reservations import Appointment
from db.repositories.rows import Row
from db.repositories.services import Offering
from db.scheduling import placement
from db.scheduling.placement import ProviderChoice
from db.scheduling.requests import AppointmentRequest
from domain.callers import Principal
from domain.errors import (
    IdempotencyMismatchError,
    InvalidRequestError,
    NotFoundError,
    SlotUnavailableError,
    TooManyHoldsError,
)

_CUSTOMERS_HOLDS: Final = 5
_STAFFS_HOLDS: Final = 50
"""A member of staff holds time for many customers."""


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """The command to hold time; `audit` is its line in the audit log, without the hold's id."""

    user: Principal
    offering: Offering
    appointment: AppointmentRequest
    key: Key | None
    now: datetime
    audit: Entry

    @property
    def is_at_desk(self) -> bool:
        """Whether the user works for the business."""
        return any(m.business_id == self.offering.business_id for m in self.user.memberships)


@dataclass(frozen=True, slots=True)
class Held:
    """The outcome: the hold, and the answer as it is stored under the request's key."""

    hold_id: UUID
    body: str


Render = Callable[[Row], str]
"""Makes the answer of a hold's row."""


async def place_hold(engine: AsyncEngine, command: PlaceHold, render: Render) -> Held:
    """Hold the time of the best free provider. A customer's live hold of the same appointment is the answer again.

    Raises:
        HoldfastError: `slot_unavailable`, `provider_unfit`, `outside_service_area`, `day_full`, `too_many_holds`,
            `invalid_request`, or `idempotency_key_reused` when the key has an answer; nothing was stored.
    """
    async with engine.connect() as conn:
        for _ in range(placement.TRIES):
            async with conn.begin():
                hold = await _find_or_insert(conn, command)
                if hold is not None:
                    return await _remember(conn, command, hold, render)
    raise SlotUnavailableError


async def redeem_hold(
    conn: AsyncConnection,
    user_id: UUID | None,
    hold_id: UUID,
    offering: Offering,
    request: AppointmentRequest,
    now: datetime,
) -> ProviderChoice:
    """The provider of the caller's hold, for the transaction that makes a booking of it.

    Raises:
        NotFoundError: the caller has no hold of this id.
        HoldExpiredError: it expired, the service takes another time now, or the provider is absent or closed then.
        InvalidRequestError: the hold is for something else than this booking.
        OutsideServiceAreaError: nobody serves the address.
    """
    hold = None if user_id is None else await holds.find_own(conn, user_id, hold_id)
    if hold is None:
        raise NotFoundError(f"You have no hold {hold_id}.")
    chosen = (await placement.place_held(conn, hold, offering, request, now)).first()
    assert chosen is not None  # whoever holds time has a provider
    return chosen


async def _find_or_insert(conn: AsyncConnection, command: PlaceHold) -> Row | None:
    """The caller's hold of this appointment; none when a concurrent transaction took the time."""
    offering, business_id, user_id = command.offering, command.offering.business_id, command.user.user_id
    # This lock before those of the placement, as everywhere: the same order prevents deadlocks.
    await locks.lock(conn, business_id, [holds.lock_name(user_id)])
    if (same := await _find_same(conn, command)) is not None:
        return same
    placed = await placement.place_new(conn, offering, command.appointment, command.now, offering.customer_id)
    chosen = placed.first()
    if chosen is None:
        raise InvalidRequestError("This business finds a provider after the booking: just book.")
    inserted = await holds.insert(
        conn,
        business_id,
        Appointment(command.appointment.starts_at, offering.rules),
        held_by=user_id,
        choice=chosen.choice,
        promise=offering.promise(),
        minutes=offering.policy.hold_minutes,
        limit=_STAFFS_HOLDS if command.is_at_desk else _CUSTOMERS_HOLDS,
        correlation_id=command.audit.request_id,
    )
    if inserted is Insertion.TOO_MANY:
        raise TooManyHoldsError
    if isinstance(inserted, Insertion):
        return None
    await placement.mark_assigned(conn, business_id, chosen.choice)
    return inserted


async def _find_same(conn: AsyncConnection, command: PlaceHold) -> Row | None:
    """What a customer already holds: loading a page again must not hold one provider after the other.

    Raises:
        TooManyHoldsError: they hold it with another provider than they request now.
    """
    offering, appointment = command.offering, command.appointment
    # A member of staff holds time for many, and in a group session somebody may want several seats.
    if command.is_at_desk or offering.rules.capacity > 1:
        return None
    user_id, service_id = command.user.user_id, offering.rules.service_id
    hold = await holds.find_same(conn, offering.business_id, user_id, service_id, appointment.starts_at)
    if hold is not None and appointment.provider_id not in (None, hold["provider_id"]):
        raise TooManyHoldsError("You hold this appointment with another provider. Give that one back first.")
    return hold


async def _remember(conn: AsyncConnection, command: PlaceHold, hold: Row, render: Render) -> Held:
    """Store the answer under the request's key and the audit line, in the hold's own transaction."""
    business_id, hold_id, key = command.offering.business_id, hold["id"], command.key
    body = render({**hold, "booking_id": None, "is_live": True})
    if key is not None and not await idempotency.settle(conn, business_id, key, Answer(body)):
        raise IdempotencyMismatchError  # or a repeated request: the caller looks at the stored answer
    await audit.add(conn, business_id, replace(command.audit, object_id=str(hold_id)))
    return Held(hold_id, body)
