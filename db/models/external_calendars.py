"""External calendars: the sources, and busy and open time from their last answers."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Moment


class ExternalSource(Base):
    """A business's external calendar, the result of its last check, and what to do when it is stale."""

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
    """`open`: continue with the last answer; `closed`: offer nothing until the source answers again."""
    interval_seconds: Mapped[int]
    max_age_seconds: Mapped[int]
    """Age from which the data is stale."""
    horizon_days: Mapped[int]
    """How far ahead the source is queried."""
    as_of: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the data was current, according to the source."""
    checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_check_at: Mapped[Moment]
    error: Mapped[str | None] = mapped_column(String(200))
    """Why the last check failed; None if it did not."""
    created_at: Mapped[Created]


class ExternalTime(Base):
    """An interval of a provider's time from the external calendar."""

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
