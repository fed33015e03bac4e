"""Effects of bookings on the wire: jobs."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from domain.effects import EffectKind, EffectState, Vendor

Priority = Literal["critical", "high", "medium", "low"]


class JobOut(BaseModel):
    """Something that a vendor is to do, and what became of it."""

    id: UUID
    booking_id: UUID | None
    kind: EffectKind
    vendor: Vendor
    priority: Priority
    state: EffectState
    attempts: int
    last_error: str | None
    """A code of ours; what the vendor said is not kept."""
    due_at: datetime
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    done_at: datetime | None
    """When it came to an end, whichever."""
    vendor_ref: str | None
    """What the vendor calls what it made."""
    created_at: datetime


class Jobs(BaseModel):
    items: list[JobOut]


class JobPage(BaseModel):
    items: list[JobOut]
    next_cursor: str | None
