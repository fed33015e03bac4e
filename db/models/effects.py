"""Effects at vendors: integrations, planned effects and their results, and differences found in reconciliation."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, EventOrder, Json, Key, Moment
from domain.effects import OPEN, EffectState, Port, Vendor

_STATES = ", ".join(f"'{state}'" for state in EffectState)
_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN))
_PORTS = ", ".join(f"'{port}'" for port in Port)
_VENDORS = ", ".join(f"'{vendor}'" for vendor in Vendor)


class Integration(Base):
    """A business's account with a vendor."""

    __tablename__ = "integrations"
    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        UniqueConstraint("business_id", "vendor"),
        Index(
            "uq_integrations_business_id_port",
            "business_id",
            "port",
            unique=True,
            postgresql_where=text("port <> 'analytics' AND enabled"),
        ),
        CheckConstraint(f"port IN ({_PORTS})", name="port_is_known"),
        CheckConstraint(f"vendor IN ({_VENDORS})", name="vendor_is_known"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    port: Mapped[str] = mapped_column(String(20))
    vendor: Mapped[str] = mapped_column(String(20))
    settings: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    """Non-secret settings, such as account ids and sender addresses."""
    secrets_encrypted: Mapped[str | None] = mapped_column(Text)
    """A JSON object of keys and tokens, encrypted by `runtime.secrets`."""
    enabled: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class Effect(Base):
    """One effect: planned with its cause, carried out by an activity, and kept as its record."""

    __tablename__ = "effects"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "booking_id"], ["bookings.business_id", "bookings.id"]),
        UniqueConstraint("business_id", "key"),
        Index("ix_effects_business_id_booking_id", "business_id", "booking_id", "id"),
        # For the relay; stays small however many effects there have been.
        Index(
            "ix_effects_to_hand_over",
            "business_id",
            "vendor",
            "due_at",
            "id",
            postgresql_where=text("state = 'pending' AND handed_at IS NULL"),
        ),
        Index("ix_effects_open_in_lane", "booking_id", "lane", "id", postgresql_where=text(f"state IN ({_OPEN})")),
        Index(
            "ix_effects_under_way",
            "business_id",
            "vendor",
            postgresql_where=text("state = 'running' OR state = 'pending' AND handed_at IS NOT NULL"),
        ),
        Index("ix_effects_failed", "business_id", "id", postgresql_where=text("state = 'failed'")),
        Index("ix_effects_target_id", "target_id", "id", postgresql_where=text("target_id IS NOT NULL")),
        CheckConstraint(f"state IN ({_STATES})", name="state_is_known"),
        CheckConstraint(f"vendor IN ({_VENDORS})", name="vendor_is_known"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    booking_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(40))
    vendor: Mapped[str] = mapped_column(String(20))
    target_id: Mapped[UUID | None]
    """The integration or the webhook endpoint; None: the installation's own."""
    key: Mapped[str] = mapped_column(String(255))
    lane: Mapped[str | None] = mapped_column(String(20))
    subject: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    """Ids, codes and amounts."""
    state: Mapped[str] = mapped_column(String(20), server_default="pending")
    round: Mapped[int] = mapped_column(server_default="1")
    attempts: Mapped[int] = mapped_column(server_default="0")
    tries: Mapped[int] = mapped_column(server_default="0")
    """Attempts since it was planned, or since somebody requested a retry."""
    due_at: Mapped[Created]
    handed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it was handed to Temporal in this round."""
    first_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Until when the current attempt, identified by its number in `attempts`, prevents others from starting."""
    next_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_error: Mapped[str | None] = mapped_column(String(100))
    """An error code."""
    vendor_ref: Mapped[str | None] = mapped_column(String(255))
    """The vendor's id."""
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it reached a final state."""
    created_at: Mapped[Created]


class InboundEvent(Base):
    """A vendor's callback that was accepted, so that it is processed once."""

    __tablename__ = "inbound_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["business_id", "integration_id"],
            ["integrations.business_id", "integrations.id"],
            ondelete="CASCADE",
        ),
        Index("ix_inbound_events_received_at", "received_at"),
    )

    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    business_id: Mapped[UUID]
    type: Mapped[str] = mapped_column(String(100))
    received_at: Mapped[Created]


class WebhookEndpoint(Base):
    """A business's endpoint for its events."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        CheckConstraint("state IN ('enabled', 'disabled')", name="state_is_known"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    url: Mapped[str] = mapped_column(String(2000))
    description: Mapped[str] = mapped_column(String(200), server_default="")
    event_types: Mapped[list[str]] = mapped_column(ARRAY(String(100)), server_default="{}")
    """Empty: all types."""
    secret_encrypted: Mapped[str] = mapped_column(Text)
    former_secret_encrypted: Mapped[str | None] = mapped_column(Text)
    """Former secrets, which also sign until they expire."""
    former_secret_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(String(20), server_default="enabled")
    disabled_reason: Mapped[str | None] = mapped_column(String(40))
    hears_after: Mapped[EventOrder]
    """It receives events written after this position."""
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class Finding(Base):
    """A difference between a booking and a vendor's record, as found by reconciliation."""

    __tablename__ = "findings"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "booking_id"], ["bookings.business_id", "bookings.id"]),
        UniqueConstraint("business_id", "key"),
        Index("ix_findings_open", "business_id", "id", postgresql_where=text("state = 'open'")),
        CheckConstraint("state IN ('open', 'repairing', 'resolved')", name="state_is_known"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    booking_id: Mapped[UUID | None]
    vendor: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(255))
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'::jsonb"))
    """Ids, codes, times and amounts, ours and the vendor's."""
    state: Mapped[str] = mapped_column(String(20), server_default="open")
    found_at: Mapped[Moment]
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
