"""The event log: new events are numbered within their business, and their webhook deliveries are planned.

Every worker does so, behind the transactions that write events, which it costs nothing.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import events
from runtime.metrics import EVENTS_PLACED


async def number_events(engine: AsyncEngine) -> bool:
    """Number what is new, unless another worker is doing so; whether there may be more."""
    async with autocommit(engine) as conn:
        numbered = await events.number_new(conn)
    EVENTS_PLACED.inc(numbered)
    return numbered == events.BATCH
