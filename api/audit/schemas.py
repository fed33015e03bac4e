"""Shapes of the audit log on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from domain.callers import CallerKind

Outcome = Literal["done", "denied"]


class AuditActor(BaseModel):
    kind: CallerKind
    id: UUID | None
    """The user or the API key; of a guest the booking; of nobody in particular none."""


class AuditLine(BaseModel):
    """Who did what to which object from where."""

    id: UUID
    at: datetime
    actor: AuditActor
    action: str
    """The operation id of the request."""
    object_id: str | None
    """What it was done to: what the request made, or the last thing that its path names."""
    outcome: Outcome
    code: str | None
    """Of what was denied: the problem's code."""
    address: str | None
    request_id: str


class AuditPage(BaseModel):
    items: list[AuditLine]
    next_cursor: str | None
