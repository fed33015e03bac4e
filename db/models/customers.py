"""Customers and their consents."""

from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Key, Moment


class Customer(Base):
    """A person who books with one business. With another business they are another row: tenants share nothing."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("business_id", "id"),
        UniqueConstraint("user_id", "business_id"),
        UniqueConstraint("business_id", "email"),
        Index("ix_customers_business_id_phone", "business_id", "phone"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(254))
    """Lower case."""
    phone: Mapped[str | None] = mapped_column(String(20))
    """E.164."""
    locale: Mapped[str | None] = mapped_column(String(35))
    """Language of their messages (BCP 47); None: the business's."""
    timezone: Mapped[str | None] = mapped_column(String(64))
    """IANA zone of times in their messages; None: the booking's."""
    sms_opt_in: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[Created]


class Consent(Base):
    """A consent or its withdrawal. Rows are never changed; the latest counts."""

    __tablename__ = "consents"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "customer_id"], ["customers.business_id", "customers.id"]),
        Index("ix_consents_customer_id_purpose_given_at", "customer_id", "purpose", "given_at"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    purpose: Mapped[str] = mapped_column(String(40))
    """`sms`, `email`, `marketing` or `analytics`."""
    granted: Mapped[bool]
    source: Mapped[str] = mapped_column(String(100))
    """Where it was given: `booking`, `api`, `import`, or a form's name."""
    text: Mapped[str] = mapped_column(Text)
    """The text that the customer agreed to."""
    given_at: Mapped[Moment]
    created_at: Mapped[Created]
