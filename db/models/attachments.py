"""Files of a booking or a business; their contents are in the business's storage."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Key


class Attachment(Base):
    __tablename__ = "attachments"
    __table_args__ = (
        ForeignKeyConstraint(["business_id", "booking_id"], ["bookings.business_id", "bookings.id"]),
        Index("ix_attachments_business_id_booking_id", "business_id", "booking_id", "id"),
        # Finds what a crash left over; stays small however many files there are.
        Index("ix_attachments_unsettled", "id", postgresql_where=text("state <> 'stored'")),
        CheckConstraint("size_bytes >= 0", name="size_is_positive"),
        CheckConstraint("state IN ('uploading', 'stored', 'deleted')", name="state_is_known"),
    )

    id: Mapped[Key]
    business_id: Mapped[UUID] = mapped_column(ForeignKey("businesses.id"))
    booking_id: Mapped[UUID | None]
    """None: an export of the business."""
    state: Mapped[str] = mapped_column(String(20), server_default="uploading")
    """Only `stored` files are shown: the row exists before the content does, and is removed after it."""
    name: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    storage: Mapped[str] = mapped_column(String(20))
    """`folder` or `s3`."""
    storage_key: Mapped[str] = mapped_column(String(255))
    uploaded_by: Mapped[UUID | None]
    created_at: Mapped[Created]
