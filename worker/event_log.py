"""The event log: new events get their places among their business's, and endpoints are told of them.

Every worker does it, behind the transactions that write events: those pay nothing for it.
"""

import asyncio
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import events
from runtime.metrics import EVENTS_PLACED
from runtime.settings import Settings

_log = structlog.get_logger()

_FULL: Final = events.BATCH


class EventLog:
    """Gives places until it is cancelled."""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._interval = settings.event_log_interval_seconds

    async def run(self) -> None:
        """Go on for ever; a round that fails is said in the log and tried again."""
        while True:
            try:
                busy = await self.round()
            except Exception as error:  # PostgreSQL is away: the next round finds the same events
                _log.warning("event_log_failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
                busy = False
            if not busy:
                await asyncio.sleep(self._interval)

    async def round(self) -> bool:
        """Place what is new, if no other worker is at it; whether there may be more."""
        async with autocommit(self._engine) as conn:
            placed = await events.number_new(conn)
        EVENTS_PLACED.inc(placed)
        return placed == _FULL
