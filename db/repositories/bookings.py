"""Reading bookings. `booking_writes` writes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, literal_column, or_, select, text, tuple_, union
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import Booking, BookingHistory, Business, Customer, Reservation
from db.repositories.rows import Row, row_or_none, rows
from domain.assignment import Choice
from domain.booking import BookingState
from domain.lifecycle import Status

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
    Booking.payment,
    Booking.fee_owed_since,
    Booking.reference,
    exists()
    .where(Reservation.booking_id == Booking.id, Reservation.provider_id == Booking.provider_id)
    .label("holds_time"),
)


async def find_state(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> BookingState | None:
    """The state of a booking, in the form its workflow has it."""
    query = select(*_STATE_COLUMNS).where(Booking.business_id == business_id, Booking.id == booking_id)
    row = await row_or_none(conn, query)
    return None if row is None else BookingState.model_validate(dict(row))


async def find_choice(conn: AsyncConnection, business_id: UUID, booking_id: UUID) -> Choice | None:
    """Why the present provider was chosen; none when there is none."""
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
    Booking.payment,
    Booking.version,
    Booking.created_at,
    Booking.updated_at,
)


@dataclass(frozen=True, slots=True)
class Reach:
    """The bookings a caller may see: of some businesses, of some providers, their own, and one more."""

    user_id: UUID | None = None
    business_ids: tuple[UUID, ...] = ()
    provider_ids: tuple[UUID, ...] = ()
    booking_id: UUID | None = None
    """The booking of a manage link."""


def _ways(reach: Reach) -> list[ColumnElement[bool]]:
    """The conditions under which a booking may be seen; an index answers each of them."""
    ways: list[ColumnElement[bool]] = []
    if reach.business_ids:
        ways.append(Booking.business_id.in_(reach.business_ids))
    if reach.provider_ids:
        ways.append(Booking.provider_id.in_(reach.provider_ids))
    if reach.booking_id is not None:
        ways.append(Booking.id == reach.booking_id)
    if reach.user_id is not None:
        ways.append(Booking.customer_id.in_(select(Customer.id).where(Customer.user_id == reach.user_id)))
    return ways


async def find(conn: AsyncConnection, reach: Reach, booking_id: UUID) -> Row | None:
    """A booking that the caller may see, with the user behind its customer and its business's status.

    None when they may not see it.
    """
    query = (
        select(
            *VIEW_COLUMNS,
            Customer.user_id.label("customer_user_id"),
            Business.status.label("business_status"),
        )
        .join(Business, Business.id == Booking.business_id)
        .join(Customer, (Customer.business_id == Booking.business_id) & (Customer.id == Booking.customer_id))
        .where(Booking.id == booking_id, or_(*_ways(reach)))
    )
    return await row_or_none(conn, query)


_OWNER = text("SELECT business_id FROM bookings WHERE id = :id")


async def find_owner(conn: AsyncConnection, booking_id: UUID) -> UUID | None:
    """The booking's business, for that business's audit log only; none when there is no such booking."""
    found = await row_or_none(conn, _OWNER, {"id": booking_id})
    return None if found is None else found["business_id"]


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
    """A page of a listing: at most `limit` rows after `(starts_at, id)`."""

    limit: int
    after: tuple[datetime, UUID] | None = field(default=None)


async def list_page(conn: AsyncConnection, reach: Reach, filters: Filters, page: Page) -> Sequence[Row]:
    """Bookings that the caller may see, by start and id.

    Each condition is a query of its own, in order and no longer than the page: one condition with ORs would read
    and sort everything that any of them allows.
    """
    conditions = _conditions(filters)
    if page.after is not None:
        conditions.append(tuple_(Booking.starts_at, Booking.id) > page.after)
    order = (Booking.starts_at, Booking.id)
    # A literal: a plan that does not know how short the page is sorts everything.
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
    """The booking after the step of the command whose id begins with this key, with that `command_id`.

    Its times are the present ones. Only the sender of a command knows its key.
    """
    named = BookingHistory.command_id.startswith(command_key, autoescape=True)
    of_step = {
        "status": BookingHistory.new_status,
        "version": BookingHistory.sequence,
        "provider_id": BookingHistory.provider_id,
        "updated_at": BookingHistory.occurred_at,
    }
    shown = [of_step[c.name].label(c.name) if c.name in of_step else c for c in VIEW_COLUMNS]
    query = (
        select(*shown, BookingHistory.command_id, Customer.user_id.label("customer_user_id"))
        .join(BookingHistory, BookingHistory.booking_id == Booking.id)
        .join(Customer, (Customer.business_id == Booking.business_id) & (Customer.id == Booking.customer_id))
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
