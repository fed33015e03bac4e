"""Shapes of slots on the wire."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class SlotOut(BaseModel):
    """An appointment that can be booked as it stands."""

    starts_at: datetime
    ends_at: datetime
    provider_ids: list[UUID]
    """Who could take it; empty if they were not asked for."""
    seats_left: int
    """Over all of these providers; 1 each, but for group sessions."""


class SlotsOut(BaseModel):
    timezone: str
    """The zone whose days were asked for, in which the times are written."""
    as_of: datetime | None
    """How old the outside calendar is that these slots rest on; none: they rest on none."""
    items: list[SlotOut]
