"""Creating a booking: one transaction that reserves the time and stores the booking, then the answer.

The engine is not on this path. What is refused leaves nothing behind, and the same idempotency key gets the same
answer however often it is sent.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from api.bookings import rendering
from api.bookings.schemas import BookingIn
from api.deps import Parts
from db.engine import autocommit
from db.repositories import bookings, calendar, catalogue, customers, idempotency
from db.repositories.bookings import Inserted, NewBooking
from db.repositories.calendar import Candidate, Wanted
from db.repositories.catalogue import Offering
from db.repositories.customers import Contact
from domain.access import Principal, actor_creating
from domain.assignment import best_first
from domain.booking import Actor, BookingState
from domain.errors import (
    HoldfastError,
    IdempotencyMismatchError,
    InvalidRequestError,
    NotFoundError,
    ProviderUnfitError,
    SlotUnavailableError,
)
from domain.lifecycle import Role, Status
from domain.policies import Intake
from domain.steps import BookingStart
from runtime.ids import new_id, new_reference
from runtime.json import to_json
from runtime.metrics import BOOKINGS_CREATED

_REFERENCE_TRIES = 3


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A request to book, with who asks and under which key."""

    principal: Principal
    body: BookingIn
    idempotency_key: str
    request_id: str

    @property
    def scope(self) -> str:
        """Keys of different callers and routes never meet."""
        return f"{self.principal.user_id}/createBooking"

    def digest(self) -> str:
        """A hash of what is asked, the same for every spelling of the same JSON."""
        canonical = orjson.dumps(self.body.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(canonical).hexdigest()


@dataclass(frozen=True, slots=True)
class Created:
    """The answer: the booking's JSON as it was first created."""

    booking_id: str
    body: bytes | str


class _NotInsertedError(Exception):
    """This try wrote nothing; the outcome says what was in the way."""

    def __init__(self, inserted: Inserted) -> None:
        self.inserted = inserted


@dataclass(frozen=True, slots=True)
class _Draft:
    """One try at one provider."""

    request: CreateRequest
    offering: Offering
    wanted: Wanted
    candidate: Candidate | None
    now: datetime

    def state(self) -> BookingState:
        candidate, policy = self.candidate, self.offering.policy
        accepts = candidate.auto_accept if candidate else None
        return BookingState(
            booking_id=new_id(),
            business_id=self.offering.business_id,
            service_id=self.offering.service_id,
            status=Status.PENDING,
            version=1,
            starts_at=self.wanted.starts_at,
            ends_at=self.wanted.ends_at,
            provider_id=candidate.provider_id if candidate else None,
            auto_accept=policy.auto_accept if accepts is None else accepts,
            policy=policy,
            phase_since=self.now,
            next_attempt_at=self.now,
            holds_time=candidate is not None,
            planned_from=self.now,
        )


async def create_booking(parts: Parts, request: CreateRequest) -> Created:
    """Book, or give the answer that this key got before.

    Raises:
        HoldfastError: `slot_unavailable`, `provider_unfit`, `not_found`, `invalid_request`,
            `idempotency_key_reused` or `start_backlog_full`; nothing was stored.
    """
    parts.starter.refuse_when_full()
    try:
        state, created = await _create(parts, request)
    except HoldfastError:
        # Refused only unless this very request was answered before: then the time is taken, by itself.
        if (answered := await _first_answer(parts, request)) is not None:
            return answered
        raise
    BOOKINGS_CREATED.inc()
    parts.starter.submit(BookingStart(booking_id=state.booking_id, business_id=state.business_id, state=state))
    return created


async def _first_answer(parts: Parts, request: CreateRequest) -> Created | None:
    async with autocommit(parts.engine) as conn:
        answer = await idempotency.find(conn, request.scope, request.idempotency_key)
    if answer is None:
        return None
    if answer.request_hash != request.digest():
        raise IdempotencyMismatchError
    return Created(booking_id=orjson.loads(answer.response)["id"], body=answer.response)


async def _create(parts: Parts, request: CreateRequest) -> tuple[BookingState, Created]:
    now = parts.now()
    async with autocommit(parts.engine) as conn:
        offering, wanted, candidates = await _look_up(conn, request, now)
    async with parts.engine.connect() as conn:
        for candidate in candidates:
            created = await _try(conn, _Draft(request, offering, wanted, candidate, now))
            if created is not None:
                return created
    raise SlotUnavailableError


async def _look_up(
    conn: AsyncConnection, request: CreateRequest, now: datetime
) -> tuple[Offering, Wanted, list[Candidate | None]]:
    """What is wanted and who could do it. None among the candidates stands for "nobody yet"."""
    body = request.body
    offering = await catalogue.find_offering(
        conn, body.business_id, body.service_id, user_id=request.principal.user_id
    )
    if offering is None:
        raise NotFoundError(f"'{body.business_id}' offers no service '{body.service_id}'.")
    wanted = _checked(offering, body, now)
    dispatch = offering.policy.intake is Intake.DISPATCH
    if dispatch and body.provider_id is None:
        return offering, wanted, [None]
    free = await calendar.list_free(conn, offering.business_id, wanted, provider_id=body.provider_id)
    candidates: list[Candidate | None] = list(best_first(free))
    if not candidates and body.provider_id is not None:
        await _check_fit(conn, offering, body.provider_id)
    return offering, wanted, [*candidates, None] if dispatch else candidates


async def _try(conn: AsyncConnection, draft: _Draft) -> tuple[BookingState, Created] | None:
    """Book with one candidate; none when somebody else was quicker with their time."""
    for _ in range(_REFERENCE_TRIES):
        try:
            return await _insert(conn, draft)
        except _NotInsertedError as stopped:
            if not stopped.inserted.key_was_new:
                raise IdempotencyMismatchError from stopped  # or a replay: whoever asked looks
            if not stopped.inserted.time_was_free:
                return None
    raise RuntimeError("no booking reference is left")


def _checked(offering: Offering, body: BookingIn, now: datetime) -> Wanted:
    if offering.business_status != "active":
        raise InvalidRequestError("This business does not take bookings at the moment.")
    if body.starts_at <= now:
        raise InvalidRequestError("starts_at lies in the past.")
    return Wanted(
        starts_at=body.starts_at,
        ends_at=body.starts_at + timedelta(minutes=offering.duration_minutes),
        buffer_before_minutes=offering.buffer_before_minutes,
        buffer_after_minutes=offering.buffer_after_minutes,
        timezone=offering.timezone,
        required_skills=offering.required_skills,
    )


async def _check_fit(conn: AsyncConnection, offering: Offering, provider_id: UUID) -> None:
    fit = await calendar.find_provider(conn, offering.business_id, provider_id, offering.required_skills)
    if fit is None:
        raise ProviderUnfitError


async def _insert(conn: AsyncConnection, draft: _Draft) -> tuple[BookingState, Created]:
    state, reference = draft.state(), new_reference()
    async with conn.begin():
        actor = actor_creating(draft.request.principal, state.business_id)
        customer_id = await _customer(conn, draft, actor)
        body = to_json(rendering.booking(_row(draft, state, reference, customer_id)))
        new = _new_booking(draft, state, reference, customer_id, actor, body)
        inserted = await bookings.insert(conn, state.business_id, new)
        if not inserted.booked:
            raise _NotInsertedError(inserted)  # leaves the block: rolled back
    return state, Created(booking_id=str(state.booking_id), body=body)


async def _customer(conn: AsyncConnection, draft: _Draft, actor: Actor) -> UUID:
    """Staff book for somebody they name; everybody else books for themselves."""
    business_id, given = draft.offering.business_id, draft.request.body.customer
    contact = Contact(**given.model_dump()) if given else None
    if actor.role is Role.CUSTOMER:
        if contact is None and draft.offering.customer_id is not None:
            return draft.offering.customer_id
        return await customers.of_user(conn, business_id, draft.request.principal.user_id, contact)
    if contact is None:
        raise InvalidRequestError("Say for whom you book: `customer` with at least a name.")
    return await customers.by_contact(conn, business_id, contact)


def _row(draft: _Draft, state: BookingState, reference: str, customer_id: UUID) -> dict[str, Any]:
    """The booking as its row will read."""
    return state.model_dump() | {
        "id": state.booking_id,
        "reference": reference,
        "customer_id": customer_id,
        "timezone": draft.offering.timezone,
        "price_minor": draft.offering.price_minor,
        "currency": draft.offering.currency,
        "created_at": draft.now,
        "updated_at": draft.now,
    }


def _new_booking(
    draft: _Draft, state: BookingState, reference: str, customer_id: UUID, actor: Actor, body: bytes
) -> NewBooking:
    request, offering, wanted = draft.request, draft.offering, draft.wanted
    asked = request.body
    return NewBooking(
        state=state,
        reference=reference,
        customer_id=customer_id,
        actor=actor,
        correlation_id=request.request_id,
        buffer_before_minutes=offering.buffer_before_minutes,
        buffer_after_minutes=offering.buffer_after_minutes,
        timezone=offering.timezone,
        price_minor=offering.price_minor,
        currency=offering.currency,
        idempotency_scope=request.scope,
        idempotency_key=request.idempotency_key,
        request_hash=request.digest(),
        response=body.decode(),
        taken_from=wanted.taken_from(),
        taken_until=wanted.taken_until(),
        address=asked.address.model_dump() if asked.address else None,
        notes=asked.notes,
        attribution=asked.attribution,
    )
