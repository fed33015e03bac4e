"""Businesses (the tenants), users, and their roles."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, DateTime, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Currency, Json, Key


class Business(Base):
    __tablename__ = "businesses"
    __table_args__ = (
        CheckConstraint("slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'", name="slug_is_a_dns_label"),
        CheckConstraint("status IN ('setup', 'active', 'suspended')", name="status_is_known"),
    )

    id: Mapped[Key]
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64))
    """IANA zone of the business's hours."""
    currency: Mapped[Currency]
    locale: Mapped[str] = mapped_column(String(35), server_default="en-US")
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    policy: Mapped[Json] = mapped_column(server_default=text("'{}'::jsonb"))
    """`domain.policies.Policy`; new bookings store a snapshot of it."""
    guest_bookings: Mapped[bool] = mapped_column(server_default="true")
    """Whether people without an account may book."""
    approved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When an operator allowed its own templates through the installation's mail server; None: not yet."""
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class InstallationMail(Base):
    """How many e-mails the installation's own mail server has sent for a business on one day (UTC)."""

    __tablename__ = "installation_mails"

    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date)
    sent: Mapped[int]


class BusinessOrigin(Base):
    """A web site whose pages may call the API for this business (CORS)."""

    __tablename__ = "business_origins"
    __table_args__ = (Index("ix_business_origins_origin", "origin"),)

    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"), primary_key=True)
    origin: Mapped[str] = mapped_column(String(255), primary_key=True)
    """As browsers send it, for example `https://www.example.com`."""


class User(Base):
    """Somebody who can log in. Users belong to no tenant; memberships give them roles."""

    __tablename__ = "users"
    __table_args__ = (Index("uq_users_email", text("lower(email)"), unique=True),)

    id: Mapped[Key]
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(server_default="true")
    created_at: Mapped[Created]


class Membership(Base):
    """A user's role in a business. A provider's membership names the provider."""

    __tablename__ = "memberships"
    __table_args__ = (
        CheckConstraint("role IN ('provider', 'owner', 'admin')", name="role_is_known"),
        CheckConstraint("(role = 'provider') = (provider_id IS NOT NULL)", name="providers_name_their_provider"),
        ForeignKeyConstraint(["business_id", "provider_id"], ["providers.business_id", "providers.id"]),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    provider_id: Mapped[UUID | None]
    created_at: Mapped[Created]
