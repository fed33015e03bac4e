"""Holding time: choose as a booking does, then keep it for this caller until the hold runs out."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from api import audit_trail, reserving
from api.deps import AppState
from api.holds.schemas import HoldIn
from api.idempotency import digest, first_answer, plain_key
from api.request_context import RequestContext, context_of
from api.reserving import AppointmentRequest
from db.engine import autocommit
from db.repositories import calendar, holds, idempotency, placement
from db.repositories.calendar import Appointment
from db.repositories.catalogue import Offering
from db.repositories.holds import NewHold
from db.repositories.idempotency import Answer, Key
from db.repositories.placement import ProviderChoice
from db.repositories.rows import Row
from domain.callers import Principal
from domain.errors import (
    HoldfastError,
    IdempotencyMismatchError,
    InvalidRequestError,
    SlotUnavailableError,
    TooManyHoldsError,
)
from runtime.json import to_json

_CUSTOMERS_HOLDS: Final = 5
_STAFFS_HOLDS: Final = 50
"""At the desk one person holds time for many."""


@dataclass(frozen=True, slots=True)
class Held:
    """The answer: the hold's JSON as it was first made."""

    hold_id: str
    body: str


@dataclass(frozen=True, slots=True)
class _Request:
    http: Request
    user: Principal
    body: HoldIn
    key: str | None

    @property
    def context(self) -> RequestContext:
        return context_of(self.http)

    @property
    def scope(self) -> str:
        return f"{self.user.user_id}/createHold"

    def digest(self) -> str:
        return digest(self.body)

    def ask(self) -> AppointmentRequest:
        body = self.body
        return AppointmentRequest(
            business=body.business_id,
            service=body.service_id,
            starts_at=body.starts_at,
            provider_id=body.provider_id,
            preferred_provider_id=body.preferred_provider_id,
            postal_code=body.postal_code,
        )


async def hold_time(app: AppState, http: Request, user: Principal, body: HoldIn, key: str | None) -> Held:
    """Hold it, or give the answer that this key got before.

    Raises:
        HoldfastError: what a booking would be refused with, or `too_many_holds`; nothing was stored.
    """
    request = _Request(http, user, body, plain_key(key))
    try:
        held = await _hold(app, request)
    except HoldfastError:
        if (answered := await _first_answer(app, request)) is not None:
            return answered
        raise
    request.context.settle_audit()
    return held


async def _first_answer(app: AppState, request: _Request) -> Held | None:
    if request.key is None:
        return None
    answer = await first_answer(app.engine, Key(request.scope, request.key, request.digest()))
    if answer is None:
        return None
    body = answer.response
    found, context = orjson.loads(body), request.context
    context.about(UUID(found["business_id"]), found["id"])
    context.settle_audit()  # the first request was audited
    return Held(found["id"], body)


async def _hold(app: AppState, request: _Request) -> Held:
    now, user_id = app.now(), request.user.user_id
    async with autocommit(app.engine) as conn:
        offering = await reserving.find_offering(conn, request.ask(), user_id, now)
    request.context.about(offering.business_id)
    async with app.engine.connect() as conn:
        for _ in range(reserving.TRIES):
            async with conn.begin():
                # This turn before those of the choice, as everywhere: in one order nobody waits for each other.
                await calendar.take_turns(conn, offering.business_id, [holds.turn_of(user_id)])
                if (same := await _same(conn, request, offering)) is not None:
                    return await _remembered(conn, request, same)
                chosen = await reserving.choose(conn, offering, request.ask(), now, offering.customer_id)
                if chosen is None:
                    raise InvalidRequestError("This business finds a provider after the booking: just book.")
                wanted = Appointment(request.body.starts_at, offering.terms)
                placed = await holds.place(conn, offering.business_id, wanted, _new(request, offering, chosen))
                if not placed.within_limit:
                    raise TooManyHoldsError
                if placed.hold is not None:
                    await placement.mark(conn, offering.business_id, chosen.choice)
                    return await _remembered(conn, request, placed.hold)
    raise SlotUnavailableError


def _new(request: _Request, offering: Offering, chosen: ProviderChoice) -> NewHold:
    return NewHold(
        held_by=request.user.user_id,
        choice=chosen.choice,
        promise=offering.promise(),
        minutes=offering.policy.hold_minutes,
        limit=_limit(request, offering),
    )


def _is_at_desk(request: _Request, offering: Offering) -> bool:
    return any(m.business_id == offering.business_id for m in request.user.memberships)


def _limit(request: _Request, offering: Offering) -> int:
    return _STAFFS_HOLDS if _is_at_desk(request, offering) else _CUSTOMERS_HOLDS


async def _same(conn: AsyncConnection, request: _Request, offering: Offering) -> Row | None:
    """What a customer holds already: a page that is loaded again must not hold one provider after the other.

    Raises:
        TooManyHoldsError: they hold it with another provider than they ask for now.
    """
    # At the desk one person holds time for many, and in a group session somebody may want seats for two.
    if _is_at_desk(request, offering) or offering.terms.capacity > 1:
        return None
    user_id, body = request.user.user_id, request.body
    hold = await holds.find_same(conn, offering.business_id, user_id, offering.terms.service_id, body.starts_at)
    if hold is not None and body.provider_id not in (None, hold["provider_id"]):
        raise TooManyHoldsError("You hold this appointment with another provider. Give that one back first.")
    return hold


async def _remembered(conn: AsyncConnection, request: _Request, hold: Row) -> Held:
    """The answer, stored under the caller's key in the hold's own transaction, as is its line in the audit log."""
    body = to_json(rendered({**hold, "booking_id": None, "is_live": True})).decode()
    if request.key is not None:
        business_id: UUID = hold["business_id"]
        key = Key(request.scope, request.key, request.digest())
        if not await idempotency.settle(conn, business_id, key, Answer(body)):
            raise IdempotencyMismatchError  # or a replay: whoever asked looks
    request.context.about(object_id=hold["id"])
    await audit_trail.note_done(conn, request.http)
    return Held(str(hold["id"]), body)


def rendered(hold: Row) -> dict[str, Any]:
    """The members of `HoldOut`."""
    ended = "booked" if hold["booking_id"] else "expired"
    names = ("id", "business_id", "service_id", "provider_id", "starts_at", "ends_at", "expires_at", "booking_id")
    status = {"status": "held" if hold["is_live"] else ended}
    return {name: hold[name] for name in names} | status | {"price": _price(hold)}


def _price(hold: Row) -> dict[str, Any] | None:
    promise = holds.promise_of(hold)
    if promise is None:  # held by an earlier version
        return None
    return {"amount_minor": promise.price_minor, "currency": promise.currency}
