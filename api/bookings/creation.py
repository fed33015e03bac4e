"""Creating a booking: one transaction that reserves the time and stores the booking, then the answer.

The engine is not on this path. What is refused leaves nothing behind, and the same idempotency key gets the same
answer however often it is sent.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from api import audit_trail, reserving
from api.bookings import guests, payment, representation
from api.bookings.payment import Due
from api.bookings.schemas import BookingIn
from api.deliverability import require_carried
from api.deps import AppState
from api.holds import redeeming
from api.idempotency import digest, first_answer
from api.request_context import RequestContext, context_of
from api.reserving import AppointmentRequest
from db.engine import autocommit
from db.repositories import catalogue, customers, new_bookings, placement
from db.repositories.calendar import Appointment
from db.repositories.catalogue import Offering
from db.repositories.customers import Contact, MatchedCustomer
from db.repositories.idempotency import Key
from db.repositories.new_bookings import Inserted, NewBooking
from db.repositories.placement import ProviderChoice
from domain.access import actor_creating
from domain.booking import Actor, BookingState
from domain.callers import Anonymous, Caller, Principal
from domain.errors import (
    HoldExpiredError,
    HoldfastError,
    IdempotencyMismatchError,
    NotFoundError,
    PaymentUnavailableError,
    PriceChangedError,
    SlotUnavailableError,
)
from domain.lifecycle import Role, Status
from domain.payments import PaymentGate
from domain.steps import BookingStart
from runtime.ids import new_id, new_reference
from runtime.metrics import BOOKINGS_CREATED


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A request to book, with who asks and under which key."""

    http: Request
    body: BookingIn
    idempotency_key: str

    @property
    def context(self) -> RequestContext:
        """What is known of the request."""
        return context_of(self.http)

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return self.context.caller

    @property
    def user_id(self) -> UUID | None:
        """The asking user; none for everybody else."""
        return self.caller.user_id if isinstance(self.caller, Principal) else None

    @property
    def scope(self) -> str:
        """Keys of different callers and routes never meet. Of one business's guests, only their keys tell."""
        if self.user_id is not None:  # as before there were other callers: keys outlive an upgrade
            return f"{self.user_id}/createBooking"
        is_guest = isinstance(self.caller, Anonymous)
        caller = f"guest/{self.context.business_id}" if is_guest else self.context.caller_name
        return f"{caller}/createBooking"

    def digest(self) -> str:
        """A hash of what is asked."""
        return digest(self.body)

    def ask(self) -> AppointmentRequest:
        """What is asked of the calendar."""
        body = self.body
        return AppointmentRequest(
            business=body.business_id,
            service=body.service_id,
            starts_at=body.starts_at,
            provider_id=body.provider_id,
            preferred_provider_id=body.preferred_provider_id,
            postal_code=body.address.postal_code if body.address else None,
        )


@dataclass(frozen=True, slots=True)
class Created:
    """The answer: the booking's JSON as it was first created, but for the link, which is never stored."""

    booking_id: str
    body: bytes | str


class _NotInsertedError(Exception):
    """This try wrote nothing; the outcome says what was in the way."""

    def __init__(self, inserted: Inserted) -> None:
        self.inserted = inserted


@dataclass(frozen=True, slots=True)
class _Case:
    """A request that may be carried out, with what was found out about it before the first try."""

    request: CreateRequest
    offering: Offering
    now: datetime
    actor: Actor
    due: Due | None
    """What is to be paid through Holdfast."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """One try at one provider."""

    case: _Case
    chosen: ProviderChoice | None
    customer: MatchedCustomer

    @property
    def request(self) -> CreateRequest:
        return self.case.request

    @property
    def offering(self) -> Offering:
        return self.case.offering

    @property
    def now(self) -> datetime:
        return self.case.now

    @property
    def wanted(self) -> Appointment:
        return Appointment(self.request.body.starts_at, self.offering.terms)

    def state(self, reference: str) -> BookingState:
        candidate = self.chosen.candidate if self.chosen else None
        policy, wanted = self.offering.policy, self.wanted
        accepts = candidate.auto_accept if candidate else None
        return BookingState(
            booking_id=new_id(),
            business_id=self.offering.business_id,
            service_id=self.offering.terms.service_id,
            status=Status.PENDING,
            version=1,
            starts_at=wanted.starts_at,
            ends_at=wanted.ends_at,
            provider_id=candidate.provider_id if candidate else None,
            auto_accept=policy.auto_accept if accepts is None else accepts,
            policy=policy,
            phase_since=self.now,
            next_attempt_at=self.now,
            holds_time=candidate is not None,
            planned_from=self.now,
            payment=PaymentGate.AWAITING if self.case.due else None,
            reference=reference,
        )


async def create_booking(app: AppState, request: CreateRequest) -> Created:
    """Book, or give the answer that this key got before.

    Raises:
        HoldfastError: `slot_unavailable`, `provider_unfit`, `outside_service_area`, `day_full`, `hold_expired`,
            `price_changed`, `not_found`, `invalid_request`, `unauthenticated`, `payment_unavailable`,
            `idempotency_key_reused` or `start_backlog_full`; nothing was stored.
    """
    app.starter.refuse_when_full()
    try:
        state, created = await _create(app, request)
    except HoldfastError:
        # Refused only unless this very request was answered before: then the time is taken, by itself.
        if (answered := await _first_answer(app, request)) is not None:
            return answered
        raise
    _note(request.context, state.business_id, created.booking_id)
    BOOKINGS_CREATED.inc()
    app.starter.submit(BookingStart(booking_id=state.booking_id, business_id=state.business_id, state=state))
    return created


async def _first_answer(app: AppState, request: CreateRequest) -> Created | None:
    if request.context.business_id is None:  # what was asked for is not to be had any more
        request.context.about(await _business_id(app, request))
    answer = await first_answer(app.engine, Key(request.scope, request.idempotency_key, request.digest()))
    if answer is None:
        return None
    body = answer.response
    found = orjson.loads(body)
    _note(request.context, UUID(found["business_id"]), found["id"])
    return Created(booking_id=found["id"], body=body)


async def _business_id(app: AppState, request: CreateRequest) -> UUID | None:
    async with autocommit(app.engine) as conn:
        found = await catalogue.find_business(conn, request.body.business_id)
    return None if found is None else found["id"]


def _note(context: RequestContext, business_id: UUID, booking_id: str) -> None:
    """Say what the request was about; its line in the audit log is in the booking's own transaction."""
    context.about(business_id, booking_id)
    context.settle_audit()


async def _create(app: AppState, request: CreateRequest) -> tuple[BookingState, Created]:
    now = app.now()
    async with autocommit(app.engine) as conn:
        present = await reserving.find_offering(conn, request.ask(), request.user_id, now)
        if (customer := request.body.customer) is not None:
            at = ("body", "customer", "email")
            await require_carried(conn, app.settings, present.business_id, customer.email, at=at)
        offering = await _as_held(conn, request, present)
    request.context.about(offering.business_id)
    _require_expected(request.body, offering)
    if isinstance(request.caller, Anonymous):
        guests.require_bookable(offering, request.body)
    if guests.shares_keys(request.caller):
        guests.require_good_key(request.idempotency_key)
    actor = actor_creating(request.caller, offering.business_id)
    case = _Case(request, offering, now, actor, _due(app, request, offering, present))
    async with app.engine.connect() as conn:
        for _ in range(reserving.TRIES):
            try:
                return await _try(conn, case)
            except _NotInsertedError as stopped:
                _check_retry(request, stopped.inserted)
    raise SlotUnavailableError


async def _as_held(conn: AsyncConnection, request: CreateRequest, present: Offering) -> Offering:
    """What is booked, at the price of the hold that it redeems."""
    hold_id = request.body.hold_id
    if hold_id is None or request.user_id is None:
        return present
    return await redeeming.as_held(conn, request.user_id, hold_id, present)


def _require_expected(body: BookingIn, offering: Offering) -> None:
    """Refuse a booking that costs something else than its sender has seen.

    Raises:
        PriceChangedError: with the present price.
    """
    price = {"amount_minor": offering.price_minor, "currency": offering.currency}
    if body.expected_price is not None and body.expected_price.model_dump() != price:
        raise PriceChangedError(price=price)


def _due(app: AppState, request: CreateRequest, offering: Offering, present: Offering) -> Due | None:
    """What is to be paid.

    Raises:
        HoldExpiredError: what was promised with the hold cannot be paid like that any more.
        PaymentUnavailableError: it can neither be paid as it is offered now.
    """
    try:
        return payment.due_of(app, offering, request.body.payment)
    except PaymentUnavailableError:
        if offering.promise() == present.promise():
            raise
        raise HoldExpiredError("What was held is not paid like that any more. Hold it again.") from None


def _check_retry(request: CreateRequest, inserted: Inserted) -> None:
    """Refuse what another try cannot mend; else somebody was quicker, or the reference is in use."""
    if not inserted.key_was_new:
        raise IdempotencyMismatchError  # or a replay: whoever asked looks
    if request.body.hold_id is not None and not inserted.time_was_free:
        raise HoldExpiredError


async def _try(conn: AsyncConnection, case: _Case) -> tuple[BookingState, Created]:
    """Choose and store in one transaction; leaving it by an error rolls everything back."""
    request, offering, now = case.request, case.offering, case.now
    async with conn.begin():
        customer = await _customer(conn, request, offering, case.actor)
        if request.body.hold_id is not None:
            chosen = await _held(conn, request, request.body.hold_id, offering, now)
            return await _insert(conn, _Draft(case, chosen, customer))
        # Who served this customer last is nothing to tell whoever types their address.
        is_stranger = guests.is_stranger(request.caller, case.actor, offering.business_id)
        known_as = None if is_stranger else customer.id
        found = await reserving.choose(conn, offering, request.ask(), now, known_as)
        inserted = await _insert(conn, _Draft(case, found, customer))
        if found is not None:
            await placement.mark(conn, offering.business_id, found.choice)
        return inserted


async def _held(
    conn: AsyncConnection, request: CreateRequest, hold_id: UUID, offering: Offering, now: datetime
) -> ProviderChoice:
    if request.user_id is None:
        raise NotFoundError(f"You have no hold {hold_id}.")
    return await redeeming.chosen_by_hold(conn, request.user_id, hold_id, offering, request.ask(), now)


async def _insert(conn: AsyncConnection, draft: _Draft) -> tuple[BookingState, Created]:
    reference = new_reference()
    state = draft.state(reference)
    body = representation.row_as_json(_row(draft, state, reference), draft.request.caller)
    new = _new_booking(draft, state, reference, body)
    inserted = await new_bookings.insert(conn, state.business_id, new)
    if not inserted.booked:
        raise _NotInsertedError(inserted)
    if draft.case.due is not None:
        await payment.add(conn, state.business_id, state.booking_id, draft.case.due)
    return state, Created(booking_id=str(state.booking_id), body=body)


async def _customer(
    conn: AsyncConnection, request: CreateRequest, offering: Offering, actor: Actor
) -> MatchedCustomer:
    """Whom it is for. Staff, keys and guests name somebody; users book for themselves."""
    business_id, given = offering.business_id, request.body.customer
    contact = Contact(**given.model_dump()) if given else None
    if actor.role is Role.CUSTOMER and request.user_id is not None:
        if contact is None and offering.customer_id is not None:
            return MatchedCustomer(offering.customer_id, is_new=False)
        return await customers.of_user(conn, business_id, request.user_id, contact)
    if contact is None:
        raise guests.invalid("/body/customer", "say for whom you book, with at least a name")
    if guests.is_stranger(request.caller, actor, business_id):
        return await customers.of_stranger(conn, business_id, contact)
    return await customers.by_contact(conn, business_id, contact)


def _row(draft: _Draft, state: BookingState, reference: str) -> dict[str, Any]:
    """The booking as its row will read."""
    return state.model_dump() | {
        "id": state.booking_id,
        "reference": reference,
        "customer_id": draft.customer.id,
        "timezone": draft.offering.timezone,
        "price_minor": draft.offering.price_minor,
        "currency": draft.offering.currency,
        "created_at": draft.now,
        "updated_at": draft.now,
    }


def _new_booking(draft: _Draft, state: BookingState, reference: str, body: bytes) -> NewBooking:
    request, offering, asked = draft.request, draft.offering, draft.request.body
    return NewBooking(
        state=state,
        reference=reference,
        customer_id=draft.customer.id,
        actor=draft.case.actor,
        correlation_id=request.context.request_id,
        buffer_before_minutes=offering.terms.buffer_before_minutes,
        buffer_after_minutes=offering.terms.buffer_after_minutes,
        timezone=offering.timezone,
        price_minor=offering.price_minor,
        currency=offering.currency,
        reservation=draft.wanted.reservation(state.provider_id),
        hold_id=asked.hold_id,
        choice=draft.chosen.choice if draft.chosen else None,
        preferred_provider_id=asked.preferred_provider_id,
        idempotency_scope=request.scope,
        idempotency_key=request.idempotency_key,
        request_hash=request.digest(),
        response=body.decode(),
        address=asked.address.model_dump() if asked.address else None,
        notes=asked.notes,
        contact=draft.customer.contact,
        attribution=asked.attribution,
        audit=replace(audit_trail.entry_of(request.http, "done"), object_id=str(state.booking_id)),
    )
