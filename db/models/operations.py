"""The installation's own records: rate limits, the audit log, and leases between processes."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Key, Moment


class RateCounter(Base):
    """Requests of one caller in this minute and the one before. UNLOGGED: a crash loses a minute."""

    __tablename__ = "rate_counters"
    __table_args__ = ({"prefixes": ["UNLOGGED"]},)

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger)
    """Minutes since 1970."""
    requests: Mapped[int]
    before: Mapped[int]
    """Requests in the minute before."""


class AuditEntry(Base):
    """Who did what to which object from where. The application's role can only add rows."""

    __tablename__ = "audit_log"
    __table_args__ = (
        CheckConstraint("outcome IN ('done', 'denied')", name="outcome_is_known"),
        CheckConstraint("actor_kind IN ('anonymous', 'user', 'api_key', 'guest')", name="actor_kind_is_known"),
        Index("ix_audit_log_business_id_at", "business_id", "at", "id"),
        Index("ix_audit_log_business_id_actor_id_at", "business_id", "actor_id", "at", "id"),
        Index("ix_audit_log_business_id_object_id_at", "business_id", "object_id", "at", "id"),
    )

    id: Mapped[Key]
    at: Mapped[Moment]
    business_id: Mapped[UUID | None] = mapped_column(ForeignKey("businesses.id"))
    """None for what concerns no business, such as logging in."""
    actor_kind: Mapped[str] = mapped_column(String(20))
    actor_id: Mapped[UUID | None]
    """The user or the API key; for a guest, the booking."""
    action: Mapped[str] = mapped_column(String(100))
    """The operation id of the request."""
    object_id: Mapped[str | None] = mapped_column(String(100))
    """The ids of the object."""
    outcome: Mapped[str] = mapped_column(String(10))
    code: Mapped[str | None] = mapped_column(String(40))
    """Why it was denied."""
    address: Mapped[str | None] = mapped_column(String(45))
    """Where the request came from."""
    request_id: Mapped[str] = mapped_column(String(64))


class Lease(Base):
    """An exclusive right to some work. It expires, so that a frozen process blocks nobody."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[UUID]
    """One object in one process, during its lifetime."""
    expires_at: Mapped[Moment]
    """By PostgreSQL's clock. Afterwards anybody may take the lease."""


class StreamTicket(Base):
    """Opens one stream, once and within seconds. UNLOGGED: a crash costs a client one more request."""

    __tablename__ = "stream_tickets"
    __table_args__ = (Index("ix_stream_tickets_expires_at", "expires_at"), {"prefixes": ["UNLOGGED"]})

    ticket_hash: Mapped[bytes] = mapped_column(primary_key=True)
    caller_kind: Mapped[str] = mapped_column(String(20))
    caller_id: Mapped[UUID]
    """The user or the API key; for a guest, the booking."""
    session_id: Mapped[UUID | None]
    """The login of a user."""
    expires_at: Mapped[Moment]
