"""What a booking costs its customer, as the gateway has it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Currency

_UNSETTLED = "state IN ('awaiting', 'action_required', 'declined', 'authorized')"
_SETTLED = "state IN ('captured', 'released', 'refunded')"


class Payment(Base):
    """The payment of one booking. Written by the create path, then by its effects and the gateway's calls only."""

    __tablename__ = "payments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        Index("ix_payments_business_id_gateway_ref", "business_id", "gateway_ref"),
        # What reconciliation looks for; a payment is in one of them.
        Index("ix_payments_unsettled", "business_id", "booking_id", postgresql_where=text(_UNSETTLED)),
        Index("ix_payments_settled", "business_id", "updated_at", postgresql_where=text(_SETTLED)),
        CheckConstraint(
            "state IN ('awaiting', 'action_required', 'declined', 'authorized', 'captured', 'released',"
            " 'refunded')",
            name="state_is_known",
        ),
        CheckConstraint("amount_minor > 0", name="costs_something"),
        CheckConstraint("captured_minor BETWEEN 0 AND amount_minor", name="captures_no_more_than_it_costs"),
        CheckConstraint("refunded_minor BETWEEN 0 AND captured_minor", name="refunds_no_more_than_was_captured"),
        CheckConstraint("collect IN ('booking', 'completion')", name="collect_is_known"),
    )

    booking_id: Mapped[UUID] = mapped_column(primary_key=True)
    business_id: Mapped[UUID]
    vendor: Mapped[str] = mapped_column(String(20))
    collect: Mapped[str] = mapped_column(String(20))
    """When it is captured: `booking`, once it is confirmed, or `completion`."""
    amount_minor: Mapped[int]
    currency: Mapped[Currency]
    state: Mapped[str] = mapped_column(String(20))
    method_encrypted: Mapped[str | None] = mapped_column(Text)
    """The gateway's token of the customer's card or account."""
    tries: Mapped[int] = mapped_column(server_default="0")
    """Times that a method was tried, by the customer or again off-session; each has its number at the gateway."""
    payer_ref: Mapped[str | None] = mapped_column(String(255))
    """The gateway's id of whom this booking is charged to, by which all tries are found."""
    gateway_ref: Mapped[str | None] = mapped_column(String(255))
    """The gateway's id of the present try."""
    action_encrypted: Mapped[str | None] = mapped_column(Text)
    """`action_required`: what the customer's browser needs to go on."""
    failure: Mapped[str | None] = mapped_column(String(100))
    """`declined`: the gateway's code."""
    captured_minor: Mapped[int] = mapped_column(server_default="0")
    refunded_minor: Mapped[int] = mapped_column(server_default="0")
    keep_minor: Mapped[int | None]
    """After the end of the booking: what it costs all the same."""
    authorized_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
