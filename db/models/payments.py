"""Payments of bookings, synchronised with the gateway."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Created, Currency

_UNSETTLED = "state IN ('awaiting', 'action_required', 'declined', 'authorized')"
_SETTLED = "state IN ('captured', 'released', 'refunded')"


class Payment(Base):
    """The payment of one booking. Written at creation, then only by its effects and the gateway's callbacks."""

    __tablename__ = "payments"
    __table_args__ = (
        ForeignKeyConstraint(
            ["business_id", "booking_id"],
            ["bookings.business_id", "bookings.id"],
            deferrable=True,
            initially="DEFERRED",
        ),
        Index("ix_payments_business_id_gateway_ref", "business_id", "gateway_ref"),
        # For reconciliation; a payment is in one of them.
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
    """Number of tries, by the customer or off-session; the gateway knows each by its number."""
    payer_ref: Mapped[str | None] = mapped_column(String(255))
    """The gateway's id of the booking's payer, by which all tries are found."""
    gateway_ref: Mapped[str | None] = mapped_column(String(255))
    """The gateway's id of the current try."""
    action_encrypted: Mapped[str | None] = mapped_column(Text)
    """`action_required`: what the customer's browser needs to continue."""
    failure: Mapped[str | None] = mapped_column(String(100))
    """`declined`: the gateway's code."""
    captured_minor: Mapped[int] = mapped_column(server_default="0")
    refunded_minor: Mapped[int] = mapped_column(server_default="0")
    keep_minor: Mapped[int | None]
    """After a cancellation: what the booking costs after all."""
    authorized_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]
