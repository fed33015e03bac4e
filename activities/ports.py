"""What the activities need of the outside world. Adapters are wired in by `worker/registry.py` alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounts import LetterKind
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


@dataclass(frozen=True, slots=True)
class Letter:
    """A message about an account, ready to be sent. Only its id may be said in a log."""

    id: UUID
    kind: LetterKind
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class AccountMail(Protocol):
    """Sends messages about accounts to e-mail addresses."""

    async def send(self, letter: Letter) -> None:
        """Send it, or fail: then it is tried again, with a letter of another id."""
