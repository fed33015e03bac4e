"""A system outside that knows when providers are busy and open."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from domain.external import SourceAnswer


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
