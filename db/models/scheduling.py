"""Reservations, holds, bookings, their history and events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Currency, EventOrder, Json, Key, Moment
from domain.lifecycle import Status

_STATUSES = ", ".join(f"'{status}'" for status in Status)
_OPEN = "status NOT IN ('completed', 'cancelled')"
_ENDED = "status IN ('completed', 'cancelled')"


class Reservation(Base):
    """A provider's reserved time, for a booking or a hold. PostgreSQL prevents overlaps.

    Seats of one group session are the exception: rows of the same session may overlap, and each has its own seat.
    """

    __tablename__ = "reservations"
    __table_args__ = (
        ExcludeConstraint(
            ("provider_id", "="),
            ("during", "&&"),
            ("session_id", "<>"),
            using="gist",
            name="ex_reservations_no_overlap",
        ),
        UniqueConstraint("session_id", "seat"),
        ForeignKeyConstraint(["business_id", "provider_id"], ["providers.business_id", "providers.id"]),
        # Checked at commit: the statement reserves the time before it stores the booking.
        ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("NOT isempty(during)", name="takes_time"),
        CheckConstraint("seat BETWEEN 1 AND capacity", name="seat_is_within_capacity"),
        CheckConstraint("(booking_id IS NULL) = (expires_at IS NOT NULL)", name="held_or_booked"),
        Index("ix_reservations_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    booking_id: Mapped[UUID | None] = mapped_column(unique=True)
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    """From the start minus the buffer before to the end plus the buffer after, excluding the end."""
    session_id: Mapped[UUID]
    """The group session; any other reservation is its own session."""
    service_id: Mapped[UUID | None]
    """Of a group session: its service."""
    seat: Mapped[int] = mapped_column(server_default="1")
    capacity: Mapped[int] = mapped_column(server_default="1")
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Of a hold: the time is free from then on, even if the row still exists."""


class Hold(Base):
    """A slot held for somebody who is about to book. Its reservation has the same id."""

    __tablename__ = "holds"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "service_id"], ["services.business_id", "services.id"]),
        ForeignKeyConstraint(["business_id", "provider_id"], ["providers.business_id", "providers.id"]),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        Index("ix_holds_expires_at", "expires_at"),
        Index("ix_holds_held_by", "held_by", "business_id"),
        Index("ix_holds_business_id_expires_at", "business_id", "expires_at"),
        Index(
            "ix_holds_expiry_untold", "expires_at", postgresql_where=text("booking_id IS NULL AND NOT expiry_told")
        ),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID]
    service_id: Mapped[UUID]
    provider_id: Mapped[UUID]
    starts_at: Mapped[Moment]
    ends_at: Mapped[Moment]
    held_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    booking_id: Mapped[UUID | None]
    """The booking that it became."""
    choice: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """`domain.assignment.Choice`: why this provider was chosen."""
    promise: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """`domain.promises.Promise`: the price and terms if it is booked with this hold."""
    expiry_told: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the event is written that it expired."""
    expires_at: Mapped[Moment]
    created_at: Mapped[Created]


class Booking(Base):
    """The projection of one booking. Written once at its creation, then only by its workflow."""

    __tablename__ = "bookings"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "service_id"], ["services.business_id", "services.id"]),
        ForeignKeyConstraint(["business_id", "provider_id"], ["providers.business_id", "providers.id"]),
        ForeignKeyConstraint(["business_id", "customer_id"], ["customers.business_id", "customers.id"]),
        Index("uq_bookings_business_id_id", "business_id", "id", unique=True),
        Index("uq_bookings_business_id_reference", "business_id", "reference", unique=True),
        # For the three listings of bookings, each in its order.
        Index("ix_bookings_by_business", "business_id", "starts_at", "id"),
        Index("ix_bookings_by_provider", "provider_id", "starts_at", "id"),
        Index("ix_bookings_by_customer", "customer_id", "starts_at", "id"),
        Index(
            "ix_bookings_needing_attention",
            "business_id",
            "starts_at",
            "id",
            postgresql_where=text("needs_attention"),
        ),
        # What recovery and reconciliation look for: small however large the table grows. A booking is in one of
        # the two of them, open or ended.
        Index("ix_bookings_unstarted", "id", postgresql_where=text("version = 1")),
        Index("ix_bookings_open", "business_id", "id", postgresql_where=text(_OPEN)),
        Index("ix_bookings_ended", "business_id", "updated_at", postgresql_where=text(_ENDED)),
        Index("ix_bookings_unpaid", "id", postgresql_where=text(f"payment = 'awaiting' AND {_OPEN}")),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint(f"status IN ({_STATUSES})", name="status_is_known"),
        CheckConstraint("version >= 1", name="version_counts_from_1"),
        CheckConstraint("payment IN ('awaiting', 'authorized')", name="payment_is_known"),
        CheckConstraint(
            "status NOT IN ('assigned', 'accepted', 'in_progress') OR provider_id IS NOT NULL",
            name="assigned_means_somebody",
        ),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    reference: Mapped[str] = mapped_column(String(12))
    service_id: Mapped[UUID]
    provider_id: Mapped[UUID | None]
    customer_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(String(20))
    version: Mapped[int]
    """Sequence of the last history row."""
    starts_at: Mapped[Moment]
    ends_at: Mapped[Moment]
    buffer_before_minutes: Mapped[int]
    buffer_after_minutes: Mapped[int]
    timezone: Mapped[str] = mapped_column(String(64))
    """IANA zone that the booking was made in."""
    price_minor: Mapped[int]
    currency: Mapped[Currency]
    policy: Mapped[Json]
    """Snapshot of the business's policy when the booking was made."""

    auto_accept: Mapped[bool]
    phase_since: Mapped[Moment]
    attempt: Mapped[int]
    next_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    refused_provider_ids: Mapped[list[UUID]] = mapped_column(ARRAY(PG_UUID(as_uuid=True)), server_default="{}")
    accepted_once: Mapped[bool]
    absent_party: Mapped[str | None] = mapped_column(String(20))
    needs_attention: Mapped[bool]
    planned_from: Mapped[Moment]
    payment: Mapped[str | None] = mapped_column(String(20))
    """Of a booking that must be paid for: `awaiting` or `authorized`."""

    fee_owed_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the customer moved it although a cancellation already cost the fee."""

    preferred_provider_id: Mapped[UUID | None]
    """The customer's preferred provider; another one is asked if they are not free."""
    choice: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """`domain.assignment.Choice`: why the current provider was chosen."""
    address: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    notes: Mapped[str | None] = mapped_column(Text)
    contact: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """The booking's contact where it differs from the customer's record (`domain.customers.booking_contact`)."""
    attribution: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[Moment]
    updated_at: Mapped[Moment]


class BookingHistory(Base):
    """One row per step, numbered from 1 without gaps."""

    __tablename__ = "booking_history"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "booking_id"], ["bookings.business_id", "bookings.id"]),
        CheckConstraint(f"new_status IN ({_STATUSES})", name="new_status_is_known"),
        CheckConstraint("sequence >= 1", name="sequence_counts_from_1"),
    )

    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    business_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(String(20))
    step_key: Mapped[str] = mapped_column(Text)
    """Identity of the decision that wrote the row, by which a repeated step is recognised."""
    old_status: Mapped[str | None] = mapped_column(String(20))
    new_status: Mapped[str] = mapped_column(String(20))
    actor_role: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(Text)
    provider_id: Mapped[UUID | None]
    command_id: Mapped[str | None] = mapped_column(Text)
    """The sender's id of the command that led to the step, by which a repeated command is recognised."""
    occurred_at: Mapped[Moment]


class UnconfirmedCommand(Base):
    """A command's step that its workflow may not know yet; see `db.repositories.unconfirmed`."""

    __tablename__ = "unconfirmed_commands"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "booking_id"], ["bookings.business_id", "bookings.id"]),
    )

    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    business_id: Mapped[UUID]
    recorded_at: Mapped[Moment] = mapped_column(server_default=text("clock_timestamp()"))


class Event(Base):
    """An outgoing event in CloudEvents 1.0 format, committed with the step that it reports."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_business_id_id", "business_id", "id"),
        Index("uq_events_business_id_position", "business_id", "position", unique=True),
        # For the event log, in the order in which it assigns positions.
        Index(
            "ix_events_without_position",
            text("written NULLS FIRST"),
            "time",
            "id",
            postgresql_where=text("position IS NULL"),
        ),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    type: Mapped[str] = mapped_column(String(100))
    source: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(String(100))
    """The booking's id."""
    time: Mapped[Moment]
    """When it happened, by the writer's clock. It determines no order: that clock may be wrong."""
    written: Mapped[EventOrder | None]
    """None: written before PostgreSQL numbered events."""
    correlation_id: Mapped[str | None] = mapped_column(String(128))
    actor: Mapped[Json]
    data: Mapped[Json]
    schema_version: Mapped[str] = mapped_column(String(10))
    position: Mapped[int | None] = mapped_column(BigInteger)
    """Its position among the business's events, from 1 without gaps; assigned soon after the commit."""


class EventPosition(Base):
    """The last position assigned to a business's events."""

    __tablename__ = "event_positions"

    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class Remark(Base):
    """A reason that somebody typed. Stored here so that no workflow payload carries it."""

    __tablename__ = "remarks"

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    booking_id: Mapped[UUID]
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Created]


class IdempotencyKey(Base):
    """A caller's idempotency key, its request and the first answer."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    scope: Mapped[str] = mapped_column(String(100), primary_key=True)
    """Caller and route."""
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    request_hash: Mapped[str] = mapped_column(String(64))
    response: Mapped[str] = mapped_column(Text)
    """The body of the first answer, byte for byte."""
    status: Mapped[int] = mapped_column(server_default="201")
    headers: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    """The first answer's headers that describe its content, such as `Location` and `ETag`."""
    created_at: Mapped[Created]
