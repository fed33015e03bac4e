"""What the activities need of the outside world. Adapters are wired in by `worker/registry.py` alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.external import SourceAnswer
from domain.notices import Notice
from domain.steps import BookingRef


class MessagePort(Protocol):
    """Takes messages to people."""

    async def post(self, conn: AsyncConnection, booking: BookingRef, notices: Sequence[Notice]) -> None:
        """Take notices within the transaction of what they tell: both are committed, or neither.

        A notice whose key was posted before changes nothing.
        """


@dataclass(frozen=True, slots=True)
class SourceQuestion:
    """What a source of slots is asked: the time from one moment until another."""

    url: str
    token: str | None = field(repr=False)
    starts_at: datetime
    ends_at: datetime


class SlotSource(Protocol):
    """A system outside that knows when providers are busy and open."""

    async def ask(self, question: SourceQuestion) -> SourceAnswer:
        """What it says, within a bounded time.

        Raises:
            SourceFailedError: it says nothing that can be used; the code says why.
        """
