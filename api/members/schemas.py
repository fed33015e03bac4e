"""Shapes of a business's members on the wire."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from api.shapes import In
from domain.lifecycle import Role

DeskRole = Literal[Role.OWNER, Role.ADMIN]


class MemberIn(In):
    role: DeskRole


class MemberOut(BaseModel):
    """A role of a user; somebody with two roles is there twice. Providers say which one they are."""

    user_id: UUID
    name: str
    role: Role
    provider_id: UUID | None
    created_at: datetime


class Members(BaseModel):
    items: list[MemberOut]
