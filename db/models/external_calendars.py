"""Calendars that others keep: busy and open time as it was last heard of."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Moment


class ExternalSource(Base):
    """Where a business's outside calendar is asked, how it went last, and what to do while it is silent."""

    __tablename__ = "external_sources"
    __table_args__ = (
        CheckConstraint("on_stale IN ('open', 'closed')", name="on_stale_is_known"),
        CheckConstraint("interval_seconds >= 10", name="interval_is_polite"),
        CheckConstraint("max_age_seconds >= interval_seconds", name="max_age_outlasts_the_interval"),
        Index("ix_external_sources_next_check_at", "next_check_at"),
    )

    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    token_encrypted: Mapped[str | None] = mapped_column(Text)
    on_stale: Mapped[str] = mapped_column(String(10))
    """`open`: go on with what was heard last; `closed`: offer nothing until the source answers again."""
    interval_seconds: Mapped[int]
    max_age_seconds: Mapped[int]
    """Age of the data from which on they are stale."""
    horizon_days: Mapped[int]
    """How far ahead the source is asked."""
    as_of: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """The moment that the data speak of, by the source's own word."""
    checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_check_at: Mapped[Moment]
    error: Mapped[str | None] = mapped_column(String(200))
    """Why the last check brought nothing; none when it did."""
    created_at: Mapped[Created]


class ExternalTime(Base):
    """A stretch of a provider's time as the outside calendar has it."""

    __tablename__ = "external_times"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "provider_id"], ["providers.business_id", "providers.id"]),
        CheckConstraint("kind IN ('busy', 'open')", name="kind_is_known"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
    )

    business_id: Mapped[UUID] = mapped_column(ForeignKey("external_sources.business_id"), primary_key=True)
    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    ends_at: Mapped[Moment]
