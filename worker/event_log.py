"""The event log: new events are numbered within their business, and their webhook deliveries are planned.

Every worker does so, behind the transactions that write events, which it costs nothing. Whoever listens to a
stream waits for the number: while events come, workers look for them often.
"""

import time
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import events
from runtime.metrics import EVENTS_PLACED

PACE: Final = timedelta(milliseconds=20)
"""Between two rounds while events come."""
_AWAKE_SECONDS: Final = 1.0
"""How long events are expected after one."""


class EventNumbering:
    """A worker's rounds of numbering, and whether they should follow each other soon."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._awake_until = 0.0

    async def run_round(self) -> bool:
        """Number what is new, unless another worker is doing so; whether more events are expected soon."""
        async with autocommit(self._engine) as conn:
            numbered = await events.number_new(conn)
        EVENTS_PLACED.inc(numbered)
        now = time.monotonic()
        if numbered:
            self._awake_until = now + _AWAKE_SECONDS
        return now < self._awake_until
