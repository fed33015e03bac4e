"""Creating a booking: from the request to the command, and the answer to a request that is repeated."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

import orjson

from api.bookings.payment import encrypted_method
from api.bookings.representation import row_as_json
from api.bookings.schemas import BookingIn
from api.deliverability import require_carried
from api.deps import AppState
from api.idempotency import digest, first_answer
from api.request_context import RequestContext
from db.engine import autocommit
from db.repositories import businesses
from db.repositories.audit import Entry
from db.repositories.customers import Contact
from db.repositories.idempotency import Key
from db.scheduling import creation, offerings
from db.scheduling.creation import Booked, CreateBooking
from db.scheduling.requests import AppointmentRequest
from domain.callers import Anonymous, Caller, Principal
from domain.errors import HoldfastError, IdempotencyKeyMissingError
from domain.steps import BookingStart
from runtime.metrics import BOOKINGS_CREATED


@dataclass(frozen=True, slots=True)
class Created:
    """The answer: the booking's JSON as it was first created, without the manage link, which is never stored."""

    booking_id: str
    body: bytes | str


async def create_booking(
    app: AppState, context: RequestContext, body: BookingIn, key: str | None, audit: Entry
) -> Created:
    """Book, or return the answer that this key got before. `audit` is the line in the audit log.

    Raises:
        IdempotencyKeyMissingError: there is no key.
        HoldfastError: what `creation.create_booking` or `offerings.find_offering` refuses with, or
            `start_backlog_full`; nothing was stored.
    """
    if key is None:
        raise IdempotencyKeyMissingError
    app.starter.refuse_when_full()
    try:
        booked = await _book(app, context, body, key, audit)
    except HoldfastError:
        # The refusal holds unless this very request was answered before: then its own booking took the time.
        if (first := await _first_answer(app, context, body, key)) is not None:
            return first
        raise
    state = booked.state
    _note(context, state.business_id, str(state.booking_id))
    BOOKINGS_CREATED.inc()
    app.starter.submit(BookingStart(booking_id=state.booking_id, business_id=state.business_id, state=state))
    return Created(str(state.booking_id), booked.body)


async def _book(app: AppState, context: RequestContext, body: BookingIn, key: str, audit: Entry) -> Booked:
    now, appointment, user_id = app.now(), _appointment(body), _user_id(context.caller)
    async with autocommit(app.engine) as conn:
        present = await offerings.find_offering(conn, appointment, user_id, now)
        if body.customer is not None:
            at = ("body", "customer", "email")
            await require_carried(conn, app.settings, present.business_id, body.customer.email, at=at)
        offering = await offerings.as_held(conn, present, user_id, body.hold_id)
    context.about(offering.business_id)
    command = CreateBooking(
        caller=context.caller,
        offering=offering,
        appointment=appointment,
        key=_request_key(context, body, key),
        now=now,
        request_id=context.request_id,
        audit=audit,
        hold_id=body.hold_id,
        expected_price=body.expected_price.model_dump() if body.expected_price else None,
        customer=Contact(**body.customer.model_dump()) if body.customer else None,
        payment_method=body.payment.method if body.payment else None,
        address=body.address.model_dump() if body.address else None,
        notes=body.notes,
        attribution=body.attribution,
    )
    return await creation.create_booking(
        app.engine,
        command,
        render=partial(row_as_json, caller=context.caller),
        encrypt=partial(encrypted_method, app),
    )


def _appointment(body: BookingIn) -> AppointmentRequest:
    return AppointmentRequest(
        business=body.business_id,
        service=body.service_id,
        starts_at=body.starts_at,
        provider_id=body.provider_id,
        preferred_provider_id=body.preferred_provider_id,
        postal_code=body.address.postal_code if body.address else None,
    )


def _user_id(caller: Caller) -> UUID | None:
    return caller.user_id if isinstance(caller, Principal) else None


def _request_key(context: RequestContext, body: BookingIn, key: str) -> Key:
    """The key in its scope: callers and routes do not share scopes, but the guests of one business do.

    So `context.business_id` must be known. Users are named without their kind, as in the first version, which had
    no other callers: keys outlive an upgrade.
    """
    caller = str(_user_id(context.caller) or context.caller_name)
    if isinstance(context.caller, Anonymous):
        caller = f"guest/{context.business_id}"
    return Key(f"{caller}/createBooking", key, digest(body))


async def _first_answer(app: AppState, context: RequestContext, body: BookingIn, key: str) -> Created | None:
    if context.business_id is None:  # the requested service does not exist any more
        context.about(await _business_id(app, body))
    answer = await first_answer(app.engine, _request_key(context, body, key))
    if answer is None:
        return None
    found = orjson.loads(answer.response)
    _note(context, UUID(found["business_id"]), found["id"])
    return Created(booking_id=found["id"], body=answer.response)


async def _business_id(app: AppState, body: BookingIn) -> UUID | None:
    async with autocommit(app.engine) as conn:
        found = await businesses.find(conn, body.business_id)
    return None if found is None else found["id"]


def _note(context: RequestContext, business_id: UUID, booking_id: str) -> None:
    """Note what the request was about; its audit line is in the booking's own transaction."""
    context.about(business_id, booking_id)
    context.settle_audit()
