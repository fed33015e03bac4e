"""The lease under which an attempt at an effect acts. It is renewed while the attempt goes on.

Nobody else begins an attempt before the lease has lapsed by PostgreSQL's clock. This process counts from before it
asked for the lease, so by its own clock the lease lapses a little earlier. Then the attempt is cancelled, whatever
it waits for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import effect_attempts
from domain.effects import EffectRef, LeaseLostError

_log = structlog.get_logger()

_RENEWALS: Final = 3
"""In the time that a lease lasts: one or two may fail."""


class EffectLease:
    """The lease of one attempt."""

    def __init__(
        self, engine: AsyncEngine, ref: EffectRef, attempts: int, lasts: timedelta, limit: asyncio.Timeout
    ) -> None:
        self._engine = engine
        self._ref = ref
        self._attempts = attempts
        self._lasts = lasts
        self._limit = limit

    async def confirm(self) -> None:
        """Make sure that two thirds of the lease are left: longer than a request to a vendor may take.

        Raises:
            LeaseLostError: the lease has lapsed, and another attempt may have begun.
        """
        while await self._renew() > self._lasts.total_seconds() / _RENEWALS:
            pass

    async def _renew(self) -> float:
        """Have the lease last its whole time again; how many seconds that took, which is long after a stop.

        Raises:
            LeaseLostError: the lease has lapsed.
        """
        asked_at = monotonic()
        async with autocommit(self._engine) as conn:
            is_ours = await effect_attempts.renew(
                conn, self._ref.business_id, self._ref, attempts=self._attempts, lasts=self._lasts
            )
        took = monotonic() - asked_at
        if not is_ours or took >= self._lasts.total_seconds() or self._limit.expired():
            raise LeaseLostError
        self._limit.reschedule(_end_of(self._lasts, took))
        return took

    async def keep(self) -> None:
        """Renew the lease at intervals; cancel the attempt as soon as it is lost."""
        while True:
            await asyncio.sleep(self._lasts.total_seconds() / _RENEWALS)
            try:
                await self._renew()
            except LeaseLostError:
                if not self._limit.expired():
                    self._limit.reschedule(asyncio.get_running_loop().time())
                return
            except Exception as error:  # PostgreSQL is away: it may be back before the lease lapses
                _log.warning(
                    "effect_lease_not_renewed",
                    effect_id=str(self._ref.effect_id),
                    error=type(error).__name__,
                )


def _end_of(lasts: timedelta, took: float) -> float:
    """When a lease lapses that was asked for `took` seconds ago, in the event loop's time."""
    return asyncio.get_running_loop().time() + lasts.total_seconds() - took


@asynccontextmanager
async def lease_kept(
    engine: AsyncEngine, ref: EffectRef, attempts: int, lasts: timedelta, *, asked_at: float
) -> AsyncIterator[EffectLease]:
    """Renew the claimed lease while the block lasts; `asked_at` is the monotonic time before the claim.

    Raises:
        LeaseLostError: the lease lapsed, and the block was cancelled.
    """
    limit = asyncio.timeout_at(_end_of(lasts, monotonic() - asked_at))
    try:
        async with limit:
            lease = EffectLease(engine, ref, attempts, lasts, limit)
            keeping = asyncio.create_task(lease.keep())
            try:
                yield lease
            finally:
                keeping.cancel()
                with suppress(asyncio.CancelledError):
                    await keeping
    except (TimeoutError, asyncio.CancelledError):  # Temporal may have given the attempt up at the same moment
        if limit.expired():
            raise LeaseLostError from None
        raise
