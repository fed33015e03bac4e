"""A business's services and providers."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
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
        CheckConstraint("capacity BETWEEN 1 AND 1000", name="capacity_is_1_to_1000"),
        CheckConstraint("slot_step_minutes BETWEEN 1 AND 1440", name="slot_step_is_within_a_day"),
        CheckConstraint("min_notice_minutes >= 0", name="min_notice_is_positive"),
        CheckConstraint("horizon_days > 0", name="horizon_is_positive"),
        CheckConstraint("daily_limit > 0", name="daily_limit_is_positive"),
        CheckConstraint("payment_mode IN ('none', 'deposit', 'full')", name="payment_mode_is_known"),
        CheckConstraint("payment_at IN ('booking', 'completion')", name="payment_at_is_known"),
        CheckConstraint("deposit_minor > 0", name="deposit_is_positive"),
        CheckConstraint("(payment_mode = 'deposit') = (deposit_minor IS NOT NULL)", name="deposits_say_how_much"),
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
    capacity: Mapped[int] = mapped_column(server_default="1")
    """Seats of one appointment; more than one makes it a group session."""
    slot_step_minutes: Mapped[int] = mapped_column(server_default="15")
    """Appointments start at opening time, and every so many minutes of local time after it."""
    min_notice_minutes: Mapped[int] = mapped_column(server_default="0")
    horizon_days: Mapped[int | None]
    """How far ahead it can be booked; None: no limit."""
    daily_limit: Mapped[int | None]
    """Maximum bookings per local day of the business; None: no limit."""
    required_skills: Mapped[list[str]] = mapped_column(ARRAY(String(63)), server_default="{}")
    payment_mode: Mapped[str] = mapped_column(String(20), server_default="none")
    """What is paid through Holdfast: `none`, a `deposit`, or the `full` price."""
    payment_at: Mapped[str] = mapped_column(String(20), server_default="booking")
    """When the payment is captured: `booking`, once it is confirmed, or `completion`."""
    deposit_minor: Mapped[int | None]
    active: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[Created]


class Provider(Base):
    __tablename__ = "providers"
    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        UniqueConstraint("business_id", "code"),
        CheckConstraint("rating BETWEEN 0 AND 5", name="rating_is_0_to_5"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    code: Mapped[str] = mapped_column(String(63))
    """The business's own key for the provider, used by imports and external calendars."""
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(254))
    """Lower case."""
    phone: Mapped[str | None] = mapped_column(String(20))
    """E.164."""
    timezone: Mapped[str | None] = mapped_column(String(64))
    """IANA zone of the provider's own hours; None: the business's."""
    skills: Mapped[list[str]] = mapped_column(ARRAY(String(63)), server_default="{}")
    rating: Mapped[Decimal] = mapped_column(Numeric(3, 2), server_default="0")
    available: Mapped[bool] = mapped_column(server_default="true")
    auto_accept: Mapped[bool | None]
    """Whether offers are accepted automatically; None: as in the business's policy."""
    last_assigned_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """Last assignment under `round_robin`; other strategies do not change it."""
    created_at: Mapped[Created]
