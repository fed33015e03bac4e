"""Whether a web page's origin may speak to the API, remembered for a short while."""

import re
import time
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import origins

_log = structlog.get_logger()

_REMEMBERED_SECONDS: Final = 30.0
_MOST_REMEMBERED: Final = 2048
_MOST_AT_ONCE: Final = 4
"""Look-ups under way: preflights are not counted and anybody can invent origins, but the pool is for others."""
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.:\[\]-]{1,240}")
"""What may be one, `null` not among it."""


class Origins:
    """The origins of the installation itself, and those of each business, looked up as they are needed."""

    def __init__(self, engine: AsyncEngine, own: frozenset[str]) -> None:
        self._engine = engine
        self._own = own
        self._known: dict[tuple[str, str | None], tuple[float, bool]] = {}
        self._asking = 0

    async def allows(self, origin: str, business: str | None) -> bool:
        """Whether pages of this origin may speak about this business (its id or slug); none: about any at all.

        When the database does not answer, or is being asked too much of this, they may not.
        """
        if origin in self._own:
            return True
        if not _ORIGIN.fullmatch(origin):
            return False
        key = (origin, business)
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        if self._asking >= _MOST_AT_ONCE:
            return False
        self._asking += 1
        try:
            return await self._ask(key)
        finally:
            self._asking -= 1

    def forget(self) -> None:
        """Look everything up anew."""
        self._known.clear()

    async def _ask(self, key: tuple[str, str | None]) -> bool:
        try:
            async with autocommit(self._engine) as conn:
                allowed = await origins.is_allowed(conn, *key)
        except Exception as error:  # whatever it is: who cannot be looked up is not let in
            _log.warning("origin_not_looked_up", error=type(error).__name__)
            return False
        if len(self._known) >= _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known.pop(key, None)
        self._known[key] = (time.monotonic() + _REMEMBERED_SECONDS, allowed)
        return allowed
