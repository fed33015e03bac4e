"""What the activities need of the outside world. Adapters are wired in by `worker/registry.py` alone."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.notices import Notice
from domain.steps import BookingRef


class MessagePort(Protocol):
    """Takes messages to people."""

    async def post(self, conn: AsyncConnection, booking: BookingRef, notices: Sequence[Notice]) -> None:
        """Take notices within the transaction of what they tell: both are committed, or neither.

        A notice whose key was posted before changes nothing.
        """
