"""Which web origins may call the API. All are cached in memory, since anybody can send any origin."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import origins

_log = structlog.get_logger()

_FRESH_SECONDS: Final = 30.0


class Origins:
    """The installation's own origins and those of each business, refreshed twice a minute while in use."""

    def __init__(self, engine: AsyncEngine, own: frozenset[str]) -> None:
        self._engine = engine
        self._own = own
        self._businesses: Mapping[str, frozenset[str]] = {}
        self._fresh_until = 0.0
        self._reading = asyncio.Lock()

    async def allows(self, origin: str, business: str | None) -> bool:
        """Whether pages of this origin may call about this business (id or slug; none: about any business).

        While the database does not answer, the last known origins count.
        """
        if origin in self._own:
            return True
        if time.monotonic() >= self._fresh_until:
            await self._read()
        businesses = self._businesses.get(origin, frozenset())
        return bool(businesses) if business is None else business.lower() in businesses

    def forget(self) -> None:
        """Refresh the cache."""
        self._fresh_until = 0.0

    async def _read(self) -> None:
        async with self._reading:
            if time.monotonic() < self._fresh_until:
                return  # another request has refreshed it meanwhile
            try:
                async with autocommit(self._engine) as conn:
                    self._businesses = await origins.list_businesses_by_origin(conn)
            except Exception as error:  # the next refresh tries again
                _log.warning("origins_not_read", error=type(error).__name__)
            self._fresh_until = time.monotonic() + _FRESH_SECONDS
