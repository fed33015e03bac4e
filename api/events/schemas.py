"""Shapes of events on the wire: CloudEvents 1.0."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from domain.events import LONGEST_PATTERN, PATTERN, checked_pattern

EventPattern = Annotated[
    str,
    Field(
        max_length=LONGEST_PATTERN,
        json_schema_extra={"pattern": f"^{PATTERN.pattern}$"},
        examples=["scheduling.booking.accepted", "scheduling.booking.*"],
    ),
    AfterValidator(checked_pattern),
]
"""A type of event, or the beginning of some."""


class CloudEvent(BaseModel):
    """An event. Members without a value are left out."""

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    """Of each business its own: `sequence` is an order within it."""
    type: str
    subject: str
    """The booking's id."""
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: str
    """The event's position among its business's, gapless from 1, with zeros before it: it sorts as text."""
    tenant: UUID
    """The business."""
    correlationid: str | None = None
    """The id of the request that led to it."""
    actorrole: str | None = None
    actorid: UUID | None = None
    """The user who did it."""
    dataversion: str
    data: dict[str, Any]


class EventPage(BaseModel):
    items: list[CloudEvent]
    next: int
    """What to send as `after` next time."""
    last: int
    """The position of the newest event there is; you have caught up when `next` is that."""
