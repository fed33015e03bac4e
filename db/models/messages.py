"""Messages to people, and businesses' own templates."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Key


class Message(Base):
    """A message to one recipient. (business, key) is unique: planning it again changes nothing."""

    __tablename__ = "messages"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "booking_id"], ["bookings.business_id", "bookings.id"]),
        Index("uq_messages_business_id_key", "business_id", "key", unique=True),
        Index("ix_messages_business_id_booking_id", "business_id", "booking_id"),
        Index("ix_messages_vendor_ref", "vendor_ref"),
        CheckConstraint(
            "state IN ('queued', 'sent', 'delivered', 'opened', 'bounced', 'failed', 'suppressed')",
            name="state_is_known",
        ),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    key: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(40))
    audience: Mapped[str] = mapped_column(String(20))
    channel: Mapped[str] = mapped_column(String(20))
    """`email`, `sms`, or `console` where neither is configured."""
    state: Mapped[str] = mapped_column(String(20))
    """`suppressed`: deliberately not sent; `error` says why."""
    state_at: Mapped[Created]
    minutes_before: Mapped[int | None]
    """Of a reminder."""
    starts_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """The appointment time that it mentions."""
    booking_version: Mapped[int | None]
    """The booking's version that it is about: the SEQUENCE of a calendar entry."""
    provider_id: Mapped[UUID | None]
    """The recipient, if it is a provider."""
    language: Mapped[str | None] = mapped_column(String(35))
    subject: Mapped[str | None] = mapped_column(Text)
    body: Mapped[str | None] = mapped_column(Text)
    """As sent, or as drafted; None before that."""
    vendor_ref: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[Created]


class MessageTemplate(Base):
    """A business's own template, which replaces the built-in one."""

    __tablename__ = "message_templates"

    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    audience: Mapped[str] = mapped_column(String(20), primary_key=True)
    channel: Mapped[str] = mapped_column(String(20), primary_key=True)
    language: Mapped[str] = mapped_column(String(35), primary_key=True)
    subject: Mapped[str | None] = mapped_column(Text)
    """Of an e-mail."""
    body: Mapped[str] = mapped_column(Text)
    """Plain text."""
    html: Mapped[str | None] = mapped_column(Text)
    """Of an e-mail; None: generated from the text."""
    updated_at: Mapped[Created]
