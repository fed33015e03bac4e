"""Opening hours, exceptions, time off and service areas."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Key, Moment

_PROVIDER = (["business_id", "provider_id"], ["providers.business_id", "providers.id"])


class WeeklyHours(Base):
    """A weekly interval in which a business, or one provider, works. Local time."""

    __tablename__ = "weekly_hours"
    __table_args__ = (
        ForeignKeyConstraint(*_PROVIDER),
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday_is_iso"),
        CheckConstraint("opens_minute >= 0 AND opens_minute < 1440", name="opens_within_the_day"),
        CheckConstraint(
            "closes_minute > opens_minute AND closes_minute <= opens_minute + 1440", name="closes_within_a_day"
        ),
        Index("ix_weekly_hours_business_id_weekday", "business_id", "weekday"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    provider_id: Mapped[UUID | None]
    """Whose hours; None: of every provider without hours of their own."""
    weekday: Mapped[int]
    """ISO: 1 is Monday, 7 is Sunday."""
    opens_minute: Mapped[int]
    closes_minute: Mapped[int]
    """Minutes after that day's midnight; beyond 1440 it is the next morning."""


class DateException(Base):
    """Different hours on one date; several intervals are several rows."""

    __tablename__ = "date_exceptions"
    __table_args__ = (
        ForeignKeyConstraint(*_PROVIDER),
        CheckConstraint("kind IN ('closed', 'hours', 'extra')", name="kind_is_known"),
        CheckConstraint("(kind = 'closed') = (opens_minute IS NULL)", name="closed_has_no_hours"),
        CheckConstraint("(opens_minute IS NULL) = (closes_minute IS NULL)", name="hours_have_two_ends"),
        CheckConstraint("opens_minute >= 0 AND opens_minute < 1440", name="opens_within_the_day"),
        CheckConstraint(
            "closes_minute > opens_minute AND closes_minute <= opens_minute + 1440", name="closes_within_a_day"
        ),
        Index("ix_date_exceptions_business_id_date", "business_id", "date"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    provider_id: Mapped[UUID | None]
    """Whose date; None: of the whole business."""
    date: Mapped[date]
    yearly: Mapped[bool] = mapped_column(server_default="false")
    """Repeats every year, like a holiday."""
    kind: Mapped[str] = mapped_column(String(10))
    """`closed`; `hours` instead of the weekly ones; `extra` in addition to them."""
    opens_minute: Mapped[int | None]
    closes_minute: Mapped[int | None]
    name: Mapped[str] = mapped_column(String(200), server_default="")


class TimeOff(Base):
    """A time in which nothing new is booked: a holiday, a dentist's appointment, a van in repair."""

    __tablename__ = "time_off"
    __table_args__ = (
        ForeignKeyConstraint(*_PROVIDER),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("kind IN ('time_off', 'block')", name="kind_is_known"),
        Index("ix_time_off_business_id_ends_at", "business_id", "ends_at"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    provider_id: Mapped[UUID | None]
    """Who is away; None: everybody."""
    kind: Mapped[str] = mapped_column(String(10))
    starts_at: Mapped[Moment]
    ends_at: Mapped[Moment]
    note: Mapped[str] = mapped_column(String(200), server_default="")
    created_at: Mapped[Created]


class ServiceArea(Base):
    """Postal codes served. None for a business: it serves everywhere. None for a provider: as the business."""

    __tablename__ = "service_areas"
    __table_args__ = (
        ForeignKeyConstraint(*_PROVIDER),
        CheckConstraint("kind IN ('exact', 'prefix', 'range')", name="kind_is_known"),
        CheckConstraint("(kind = 'range') = (last IS NOT NULL)", name="a_range_has_two_ends"),
        CheckConstraint("length(last) = length(first) AND last >= first", name="a_range_ascends"),
        Index("ix_service_areas_business_id", "business_id"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    provider_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(String(10))
    first: Mapped[str] = mapped_column(String(20))
    """The code, the prefix or the first code; normalised, see `domain.areas`."""
    last: Mapped[str | None] = mapped_column(String(20))
    """The last code of a range, as long as the first."""
