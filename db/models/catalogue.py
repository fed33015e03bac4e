"""What a business offers, who does it and when it is open."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    String,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Currency, Key


class Service(Base):
    __tablename__ = "services"
    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        UniqueConstraint("business_id", "code"),
        CheckConstraint("duration_minutes > 0", name="takes_time"),
        CheckConstraint("buffer_before_minutes >= 0 AND buffer_after_minutes >= 0", name="buffers_are_positive"),
        CheckConstraint("price_minor >= 0", name="price_is_positive"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    code: Mapped[str] = mapped_column(String(63))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(2000), server_default="")
    duration_minutes: Mapped[int]
    buffer_before_minutes: Mapped[int] = mapped_column(server_default="0")
    buffer_after_minutes: Mapped[int] = mapped_column(server_default="0")
    price_minor: Mapped[int]
    """Price in the currency's minor unit (cents)."""
    currency: Mapped[Currency]
    required_skills: Mapped[list[str]] = mapped_column(ARRAY(String(63)), server_default="{}")
    active: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[Created]


class Provider(Base):
    __tablename__ = "providers"
    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        CheckConstraint("rating BETWEEN 0 AND 5", name="rating_is_0_to_5"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(20))
    skills: Mapped[list[str]] = mapped_column(ARRAY(String(63)), server_default="{}")
    rating: Mapped[Decimal] = mapped_column(Numeric(3, 2), server_default="0")
    available: Mapped[bool] = mapped_column(server_default="true")
    auto_accept: Mapped[bool | None]
    """Accepts offers without being asked; none follows the business's policy."""
    created_at: Mapped[Created]


class WeeklyHours(Base):
    """An interval of every week in which a business, or one provider, works. Wall time in the business's zone."""

    __tablename__ = "weekly_hours"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "provider_id"], ["providers.business_id", "providers.id"]),
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday_is_iso"),
        CheckConstraint("opens_minute >= 0 AND opens_minute < 1440", name="opens_within_the_day"),
        CheckConstraint("closes_minute > opens_minute AND closes_minute <= 1440", name="closes_after_opening"),
        Index("ix_weekly_hours_business_id_weekday", "business_id", "weekday"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    provider_id: Mapped[UUID | None]
    """Whose hours; none: of every provider who has none of their own."""
    weekday: Mapped[int]
    """ISO: 1 is Monday, 7 is Sunday."""
    opens_minute: Mapped[int]
    closes_minute: Mapped[int]
    """Minutes after midnight; 1440 is the end of the day."""


class Customer(Base):
    """A person who books with one business. The same person elsewhere is another row: tenants share nothing."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        UniqueConstraint("user_id", "business_id"),
        UniqueConstraint("business_id", "email"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(254))
    """Lower case."""
    phone: Mapped[str | None] = mapped_column(String(20))
    """E.164."""
    sms_opt_in: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[Created]
