"""Leases: which process does what only one at a time should do, and until when."""

from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Moment


class Lease(Base):
    """A right to some work. It ends by itself, so that a process that stands still stops nobody else."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[UUID]
    """One object in one process, for as long as it lives."""
    expires_at: Mapped[Moment]
    """By PostgreSQL's clock. Anybody may take the lease from then on."""
