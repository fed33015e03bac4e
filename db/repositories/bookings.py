"""Bookings: written once when they are created, and read in every way that the API asks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, literal_column, or_, select, text, tuple_, union
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import Booking, BookingHistory, Customer, Reservation
from db.repositories.calendar import TAKE_TIME
from db.repositories.rows import Row, row, row_or_none, rows
from domain.assignment import Choice
from domain.booking import Actor, BookingState
from domain.events import SCHEMA_VERSION, SOURCE, event_type
from domain.lifecycle import Status
from domain.steps import StepKind
from runtime.ids import new_id
from runtime.json import to_json_text


@dataclass(frozen=True, slots=True)
class NewBooking:
    """A booking about to be created: the state its workflow starts from, and what only the database keeps."""

    state: BookingState
    reference: str
    customer_id: UUID
    actor: Actor
    correlation_id: str | None
    buffer_before_minutes: int
    buffer_after_minutes: int
    timezone: str
    price_minor: int
    currency: str
    reservation: dict[str, Any]
    """What `TAKE_TIME` needs."""
    idempotency_scope: str
    idempotency_key: str
    request_hash: str
    response: str
    hold_id: UUID | None = None
    """The hold that this booking redeems, in place of reserving anew."""
    choice: Choice | None = None
    preferred_provider_id: UUID | None = None
    address: dict[str, Any] | None = None
    notes: str | None = None
    attribution: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Inserted:
    """How far the creation came. Only when `booked` holds may the transaction be committed."""

    key_was_new: bool
    time_was_free: bool
    booked: bool


# One round trip. Each part inserts only what the one before it let through; what is missing at the end tells
# why, and the caller rolls back. DO NOTHING makes rivals wait for each other's commit instead of deadlocking.
_INSERT = """
WITH key AS (
    INSERT INTO idempotency_keys (scope, key, business_id, request_hash, response)
    VALUES (:scope, :key, :business_id, :request_hash, :response)
    ON CONFLICT DO NOTHING RETURNING 1
), {take}, free AS (
    SELECT 1 FROM key WHERE CAST(:provider_id AS uuid) IS NULL OR EXISTS (SELECT 1 FROM slot)
), booking AS (
    INSERT INTO bookings (
        id, business_id, reference, service_id, provider_id, customer_id, status, version, starts_at, ends_at,
        buffer_before_minutes, buffer_after_minutes, timezone, price_minor, currency, policy, auto_accept,
        phase_since, attempt, next_attempt_at, accepted_once, needs_attention, planned_from,
        preferred_provider_id, choice, address, notes, attribution, created_at, updated_at)
    SELECT :booking_id, :business_id, :reference, :service_id, CAST(:provider_id AS uuid), :customer_id,
        'pending', 1, :starts_at, :ends_at, :buffer_before, :buffer_after, :timezone, :price_minor, :currency,
        CAST(:policy AS jsonb), :auto_accept, :now, 0, :now, false, false, :now,
        CAST(:preferred_provider_id AS uuid), CAST(:choice AS jsonb), CAST(:address AS jsonb), :notes,
        CAST(:attribution AS jsonb), :now, :now
    FROM free
    ON CONFLICT DO NOTHING RETURNING 1
), history AS (
    INSERT INTO booking_history (
        booking_id, sequence, business_id, kind, step_key, new_status, actor_role, actor_id, provider_id,
        occurred_at)
    SELECT :booking_id, 1, :business_id, 'created', 'created', 'pending', :actor_role, CAST(:actor_id AS uuid),
        CAST(:provider_id AS uuid), :now
    FROM booking
), event AS (
    INSERT INTO events (
        id, business_id, type, source, subject, time, correlation_id, actor, data, schema_version)
    SELECT :event_id, :business_id, :event_type, :source, :subject, :now, :correlation_id,
        CAST(:actor AS jsonb), CAST(:event_data AS jsonb), :schema_version
    FROM booking
)
SELECT EXISTS (SELECT 1 FROM key) AS key_was_new, EXISTS (SELECT 1 FROM free) AS time_was_free,
       EXISTS (SELECT 1 FROM booking) AS booked
"""

# The time is this caller's already, as long as the hold lasts. It may run out between any two requests, so it is
# here, in the statement that needs it, that it is looked at.
_REDEEM = """
slot AS (
    UPDATE reservations SET booking_id = CAST(:reserved_for AS uuid), expires_at = NULL
    WHERE business_id = :business_id AND id = CAST(:hold_id AS uuid) AND provider_id = CAST(:provider_id AS uuid)
      AND during = tstzrange(:taken_from, :taken_until)
      AND expires_at > statement_timestamp() AND EXISTS (SELECT 1 FROM key)
    RETURNING id
), redeemed AS (
    UPDATE holds SET booking_id = CAST(:reserved_for AS uuid)
    WHERE business_id = :business_id AND id IN (SELECT id FROM slot)
)"""

INSERT = text(_INSERT.format(take=TAKE_TIME.format(after="key")))
INSERT_HELD = text(_INSERT.format(take=_REDEEM))


async def insert(conn: AsyncConnection, business_id: UUID, new: NewBooking) -> Inserted:
    """Store a new booking with its reservation, idempotency key, history row 1 and event.

    Must run inside a transaction, which must be rolled back unless the booking was `booked`. With
    `state.provider_id` the time of that provider is reserved, or taken over from a hold; without one nobody's is.
    """
    statement = INSERT if new.hold_id is None else INSERT_HELD
    return Inserted(**await row(conn, statement, _insert_parameters(business_id, new)))


def _insert_parameters(business_id: UUID, new: NewBooking) -> dict[str, Any]:
    state = new.state
    return {
        "business_id": business_id,
        "booking_id": state.booking_id,
        **new.reservation,
        "reserved_for": state.booking_id,
        "reserved_until": None,
        "hold_id": new.hold_id,
        "event_id": new_id(),
        "scope": new.idempotency_scope,
        "key": new.idempotency_key,
        "request_hash": new.request_hash,
        "response": new.response,
        "reference": new.reference,
        "service_id": state.service_id,
        "customer_id": new.customer_id,
        "starts_at": state.starts_at,
        "ends_at": state.ends_at,
        "buffer_before": new.buffer_before_minutes,
        "buffer_after": new.buffer_after_minutes,
        "timezone": new.timezone,
        "price_minor": new.price_minor,
        "currency": new.currency,
        "policy": state.policy.model_dump_json(),
        "auto_accept": state.auto_accept,
        "now": state.phase_since,
        "preferred_provider_id": new.preferred_provider_id,
        "choice": None if new.choice is None else new.choice.model_dump_json(),
        "address": _json(new.address),
        "notes": new.notes,
        "attribution": _json(new.attribution),
        "actor_role": new.actor.role,
        "actor_id": new.actor.user_id,
        "event_type": event_type(StepKind.CREATED, Status.PENDING),
        "source": SOURCE,
        "subject": str(state.booking_id),
        "correlation_id": new.correlation_id,
        "actor": new.actor.model_dump_json(),
        "event_data": _json(
            {
                "bookingId": state.booking_id,
                "providerId": state.provider_id,
                "customerId": new.customer_id,
                "startTime": state.starts_at,
                "endTime": state.ends_at,
                "status": state.status,
            }
        ),
        "schema_version": SCHEMA_VERSION,
    }


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else to_json_text(value)


_STATE_COLUMNS = (
    Booking.id.label("booking_id"),
    Booking.business_id,
    Booking.service_id,
    Booking.status,
    Booking.version,
    Booking.starts_at,
    Booking.ends_at,
    Booking.provider_id,
    Booking.auto_accept,
    Booking.policy,
    Booking.phase_since,
    Booking.attempt,
    Booking.next_attempt_at,
    Booking.refused_provider_ids,
    Booking.accepted_once,
    Booking.absent_party,
    Booking.needs_attention,
    Booking.planned_from,
    exists()
    .where(Reservation.booking_id == Booking.id, Reservation.provider_id == Booking.provider_id)
    .label("holds_time"),
)


async def find_state(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> BookingState | None:
    """The state of a booking as its workflow knows it."""
    query = select(*_STATE_COLUMNS).where(Booking.business_id == business_id, Booking.id == booking_id)
    row = await row_or_none(conn, query)
    return None if row is None else BookingState.model_validate(dict(row))


async def find_choice(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Choice | None:
    """Why the present provider was chosen; none when nobody was."""
    query = select(Booking.choice).where(Booking.business_id == business_id, Booking.id == booking_id)
    row = await row_or_none(conn, query)
    return None if row is None or row["choice"] is None else Choice.model_validate(row["choice"])


VIEW_COLUMNS = (
    Booking.id,
    Booking.reference,
    Booking.business_id,
    Booking.service_id,
    Booking.provider_id,
    Booking.customer_id,
    Booking.status,
    Booking.starts_at,
    Booking.ends_at,
    Booking.timezone,
    Booking.price_minor,
    Booking.currency,
    Booking.needs_attention,
    Booking.version,
    Booking.created_at,
    Booking.updated_at,
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose bookings a caller may see: all of some businesses, those of some providers, and their own."""

    user_id: UUID
    business_ids: tuple[UUID, ...] = ()
    provider_ids: tuple[UUID, ...] = ()


def _ways(reach: Reach) -> list[ColumnElement[bool]]:
    """The conditions under which a booking may be seen, each of which an index answers."""
    ways: list[ColumnElement[bool]] = []
    if reach.business_ids:
        ways.append(Booking.business_id.in_(reach.business_ids))
    if reach.provider_ids:
        ways.append(Booking.provider_id.in_(reach.provider_ids))
    own = select(Customer.id).where(Customer.user_id == reach.user_id)
    return [*ways, Booking.customer_id.in_(own)]


async def find(conn: AsyncConnection, reach: Reach, booking_id: UUID) -> Row | None:
    """A booking that the caller may see, with the user behind its customer; none when it is not theirs."""
    query = (
        select(*VIEW_COLUMNS, Customer.user_id.label("customer_user_id"))
        .join(Customer, (Customer.business_id == Booking.business_id) & (Customer.id == Booking.customer_id))
        .where(Booking.id == booking_id, or_(*_ways(reach)))
    )
    return await row_or_none(conn, query)


@dataclass(frozen=True, slots=True)
class Filters:
    statuses: tuple[Status, ...] = ()
    business_id: UUID | None = None
    provider_id: UUID | None = None
    customer_id: UUID | None = None
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    needs_attention: bool | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a listing: at most `limit` rows that come after `(starts_at, id)`."""

    limit: int
    after: tuple[datetime, UUID] | None = field(default=None)


async def list_page(conn: AsyncConnection, reach: Reach, filters: Filters, page: Page) -> Sequence[Row]:
    """Bookings that the caller may see, by start and id.

    Each way to see a booking is asked on its own, in order and no further than the page: one condition of
    ORs would read and sort everything that any of them allows.
    """
    conditions = _conditions(filters)
    if page.after is not None:
        conditions.append(tuple_(Booking.starts_at, Booking.id) > page.after)
    order = (Booking.starts_at, Booking.id)
    # Written out: a plan that does not know how short the page is sorts everything there is.
    limit: ColumnElement[int] = literal_column(str(page.limit))
    ways = [select(*VIEW_COLUMNS).where(way, *conditions).order_by(*order).limit(limit) for way in _ways(reach)]
    merged = union(*(way.subquery().select() for way in ways)).subquery()
    query = select(merged).order_by(merged.c.starts_at, merged.c.id).limit(limit)
    return await rows(conn, query)


_FILTERS: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    "statuses": Booking.status.in_,
    "business_id": lambda value: Booking.business_id == value,
    "provider_id": lambda value: Booking.provider_id == value,
    "customer_id": lambda value: Booking.customer_id == value,
    "starts_from": lambda value: Booking.starts_at >= value,
    "starts_before": lambda value: Booking.starts_at < value,
    "needs_attention": Booking.needs_attention.is_,
}


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """One condition for each filter that is set; an empty tuple or None is not."""
    asked = ((name, getattr(filters, name)) for name in _FILTERS)
    return [_FILTERS[name](value) for name, value in asked if value is not None and value != ()]


async def find_applied(conn: AsyncConnection, booking_id: UUID, command_key: str) -> Row | None:
    """The booking, if a step of it came from a command whose id begins so, with that `command_id`.

    Only who gave a command can name its key.
    """
    named = BookingHistory.command_id.startswith(command_key, autoescape=True)
    query = (
        select(*VIEW_COLUMNS, BookingHistory.command_id)
        .join(BookingHistory, BookingHistory.booking_id == Booking.id)
        .where(Booking.id == booking_id, named)
        .order_by(BookingHistory.sequence)
        .limit(1)
    )
    return await row_or_none(conn, query)


async def list_history(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Sequence[Row]:
    """Every step of a booking, from the first."""
    query = select(BookingHistory.__table__).where(
        BookingHistory.business_id == business_id, BookingHistory.booking_id == booking_id
    )
    return await rows(conn, query.order_by(BookingHistory.sequence))
