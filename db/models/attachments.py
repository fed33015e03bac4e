"""Files that belong to a booking; their contents lie in the business's storage."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Key


class Attachment(Base):
    __tablename__ = "attachments"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "booking_id"], ["bookings.business_id", "bookings.id"]),
        Index("ix_attachments_business_id_booking_id", "business_id", "booking_id", "id"),
        CheckConstraint("size_bytes >= 0", name="size_is_positive"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    storage: Mapped[str] = mapped_column(String(20))
    """Where it lies: `folder` or `s3`."""
    storage_key: Mapped[str] = mapped_column(String(255))
    uploaded_by: Mapped[UUID | None]
    created_at: Mapped[Created]
