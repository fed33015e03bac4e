"""Findings of reconciliation on the wire."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from domain.effects import Vendor
from domain.reconciliation import FindingKind, FindingState


class FindingOut(BaseModel):
    """A difference between a booking and a vendor's record of it."""

    id: UUID
    booking_id: UUID | None
    vendor: Vendor
    kind: FindingKind
    state: FindingState
    detail: dict[str, Any]
    """Ids, codes, times and amounts, ours and theirs; which, depends on the kind."""
    found_at: datetime
    resolved_at: datetime | None


class FindingPage(BaseModel):
    items: list[FindingOut]
    next_cursor: str | None
