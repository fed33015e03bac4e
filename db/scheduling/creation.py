"""Creating a booking: one transaction that reserves the time and stores the booking with its answer.

The workflow engine is not involved. A refusal leaves nothing behind.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.repositories import booking_writes, customers, payments
from db.repositories.audit import Entry
from db.repositories.booking_writes import Insertion
from db.repositories.customers import Contact, MatchedCustomer
from db.repositories.idempotency import Answer, Key
from db.repositories.payments import NewPayment
from db.repositories.reservations import Appointment
from db.repositories.rows import Row
from db.repositories.services import Offering
from db.scheduling import holds, placement
from db.scheduling.placement import ProviderChoice
from db.scheduling.requests import AppointmentRequest
from domain.access import actor_creating
from domain.booking import Actor, BookingState
from domain.callers import Anonymous, Caller, Principal
from domain.errors import (
    HoldExpiredError,
    IdempotencyMismatchError,
    InvalidRequestError,
    PaymentUnavailableError,
    PriceChangedError,
    SlotUnavailableError,
)
from domain.guests import is_stranger, require_bookable, require_good_key, shares_keys
from domain.lifecycle import Role, Status
from domain.payments import PaymentGate, amount_due, can_take
from runtime.ids import new_id, new_reference


@dataclass(frozen=True, slots=True)
class CreateBooking:
    """The command to book."""

    caller: Caller
    offering: Offering
    """At the price of the hold, if there is one."""
    appointment: AppointmentRequest
    key: Key
    now: datetime
    request_id: str
    audit: Entry
    """The line in the audit log, without the booking's id."""
    hold_id: UUID | None = None
    """The hold that becomes this booking."""
    expected_price: dict[str, Any] | None = None
    """`amount_minor` and `currency` as the sender has seen them; none: any price."""
    customer: Contact | None = field(default=None, repr=False)
    """Whom staff, programs and guests book for; users may book for themselves."""
    payment_method: str | None = field(default=None, repr=False)
    """The gateway's token."""
    address: dict[str, Any] | None = field(default=None, repr=False)
    notes: str | None = field(default=None, repr=False)
    attribution: dict[str, Any] | None = None

    @property
    def user_id(self) -> UUID | None:
        """The user who books; none for every other caller."""
        return self.caller.user_id if isinstance(self.caller, Principal) else None


@dataclass(frozen=True, slots=True)
class Booked:
    """The outcome: the state that the workflow starts with, and the answer as it is stored under the key."""

    state: BookingState
    body: bytes


Render = Callable[[Row], bytes]
"""Makes the answer of a booking's row."""
Encrypt = Callable[[str], str]
"""Encrypts a payment method; raises `PaymentUnavailableError` when there is no key."""


async def create_booking(
    engine: AsyncEngine, command: CreateBooking, *, render: Render, encrypt: Encrypt
) -> Booked:
    """Book the best free provider, the named one or that of the hold.

    Raises:
        HoldfastError: `price_changed`, `unauthenticated`, `forbidden`, `payment_unavailable`, `invalid_request`,
            `not_found`, `slot_unavailable`, `provider_unfit`, `outside_service_area`, `day_full`, `hold_expired`,
            or `idempotency_key_reused` when the key has an answer; nothing was stored.
    """
    _require_allowed(command)
    actor = actor_creating(command.caller, command.offering.business_id)
    payment = _payment(command, encrypt)
    async with engine.connect() as conn:
        for _ in range(placement.TRIES):
            async with conn.begin() as transaction:
                outcome = await _insert(conn, command, actor, payment, render)
                if isinstance(outcome, Booked):
                    return outcome
                await transaction.rollback()
            if outcome is Insertion.KEY_USED:
                raise IdempotencyMismatchError  # or a repeated request: the caller looks at the stored answer
            if outcome is Insertion.TIME_TAKEN and command.hold_id is not None:
                raise HoldExpiredError
    raise SlotUnavailableError


def _require_allowed(command: CreateBooking) -> None:
    """Refuse another price than expected, and what guests may not do.

    Raises:
        PriceChangedError: with the present price.
        UnauthenticatedError: the business takes no bookings from guests.
        InvalidRequestError: a guest cannot be reached, or a shared key can be guessed.
    """
    offering = command.offering
    price = {"amount_minor": offering.price_minor, "currency": offering.currency}
    if command.expected_price not in (None, price):
        raise PriceChangedError(price=price)
    if isinstance(command.caller, Anonymous):
        contact = command.customer
        can_be_reached = contact is not None and not (contact.email is None and contact.phone is None)
        require_bookable(takes_guests=offering.guest_bookings, can_be_reached=can_be_reached)
    if shares_keys(command.caller):
        require_good_key(command.key.key)


def _payment(command: CreateBooking, encrypt: Encrypt) -> NewPayment | None:
    """What is paid through Holdfast; none when the service asks for no payment.

    Raises:
        PaymentUnavailableError: the business has no gateway, or one that does not take this amount.
        HoldExpiredError: the same of a payment that the hold promised and the business no longer offers.
        InvalidRequestError: a method was given for a service without payment.
    """
    offering, method = command.offering, command.payment_method
    amount = amount_due(offering.payment_mode, offering.price_minor, offering.deposit_minor)
    if not amount:
        if method is not None:
            raise InvalidRequestError.at("/body/payment", "this service asks for no payment")
        return None
    try:
        if offering.gateway is None or not can_take(offering.gateway, amount, offering.currency):
            raise PaymentUnavailableError
        return NewPayment(
            booking_id=new_id(),
            vendor=offering.gateway,
            collect=offering.collect,
            amount=amount,
            currency=offering.currency,
            method_encrypted=None if method is None else encrypt(method),
        )
    except PaymentUnavailableError:
        if not offering.is_outdated:
            raise
        raise HoldExpiredError("What was held is not paid like that any more. Hold it again.") from None


async def _insert(
    conn: AsyncConnection, command: CreateBooking, actor: Actor, payment: NewPayment | None, render: Render
) -> Booked | Insertion:
    """One try: choose a provider and insert everything; roll back unless it is booked."""
    offering = command.offering
    customer = await _customer(conn, command, actor)
    chosen = await _choose(conn, command, actor, customer)
    state = _state(command, chosen, payment)
    body = render(_row(command, state, customer))
    insertion = await booking_writes.insert(
        conn,
        state.business_id,
        state,
        appointment=Appointment(command.appointment.starts_at, offering.rules),
        customer_id=customer.id,
        timezone=offering.timezone,
        price_minor=offering.price_minor,
        currency=offering.currency,
        actor=actor,
        key=command.key,
        answer=Answer(body.decode()),
        correlation_id=command.request_id,
        hold_id=command.hold_id,
        choice=chosen.choice if chosen else None,
        preferred_provider_id=command.appointment.preferred_provider_id,
        address=command.address,
        notes=command.notes,
        contact=customer.contact,
        attribution=command.attribution,
        audit=replace(command.audit, object_id=str(state.booking_id)),
    )
    if insertion is not Insertion.BOOKED:
        return insertion
    if payment is not None:
        await payments.add(conn, state.business_id, payment)
    if chosen is not None and command.hold_id is None:  # a hold was marked when it was placed
        await placement.mark_assigned(conn, state.business_id, chosen.choice)
    return Booked(state, body)


async def _choose(
    conn: AsyncConnection, command: CreateBooking, actor: Actor, customer: MatchedCustomer
) -> ProviderChoice | None:
    """The provider who gets the booking; none: the business finds one after it."""
    offering, request, now = command.offering, command.appointment, command.now
    if command.hold_id is not None:
        return await holds.redeem_hold(conn, command.user_id, command.hold_id, offering, request, now)
    # A stranger who types somebody's address must not learn who served that customer last.
    known_as = None if is_stranger(command.caller, actor, offering.business_id) else customer.id
    return (await placement.place_new(conn, offering, request, now, known_as)).first()


async def _customer(conn: AsyncConnection, command: CreateBooking, actor: Actor) -> MatchedCustomer:
    """The customer of the booking. Staff, keys and guests name somebody; users may book for themselves."""
    business_id, contact = command.offering.business_id, command.customer
    if actor.role is Role.CUSTOMER and command.user_id is not None:
        if contact is None and command.offering.customer_id is not None:
            return MatchedCustomer(command.offering.customer_id, is_new=False)
        return await customers.of_user(conn, business_id, command.user_id, contact)
    if contact is None:
        raise InvalidRequestError.at("/body/customer", "say for whom you book, with at least a name")
    if is_stranger(command.caller, actor, business_id):
        return await customers.of_stranger(conn, business_id, contact)
    return await customers.by_contact(conn, business_id, contact)


def _state(command: CreateBooking, chosen: ProviderChoice | None, payment: NewPayment | None) -> BookingState:
    policy, now = command.offering.policy, command.now
    appointment = Appointment(command.appointment.starts_at, command.offering.rules)
    accepts = chosen.candidate.auto_accept if chosen else None
    return BookingState(
        booking_id=new_id() if payment is None else payment.booking_id,
        business_id=command.offering.business_id,
        service_id=command.offering.rules.service_id,
        status=Status.PENDING,
        version=1,
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        provider_id=chosen.provider_id if chosen else None,
        auto_accept=policy.auto_accept if accepts is None else accepts,
        policy=policy,
        phase_since=now,
        next_attempt_at=now,
        holds_time=chosen is not None,
        planned_from=now,
        payment=PaymentGate.AWAITING if payment else None,
        reference=new_reference(),
    )


def _row(command: CreateBooking, state: BookingState, customer: MatchedCustomer) -> dict[str, Any]:
    """The booking as its row will read."""
    return state.model_dump() | {
        "id": state.booking_id,
        "customer_id": customer.id,
        "timezone": command.offering.timezone,
        "price_minor": command.offering.price_minor,
        "currency": command.offering.currency,
        "created_at": command.now,
        "updated_at": command.now,
    }
