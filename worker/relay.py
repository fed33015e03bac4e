"""The relay: effects that are planned are handed to Temporal, each as an activity on its vendor's queue.

One worker at a time does it, by a lease that saves the others the work. What is handed over twice, because a
worker died or stood still in between, Temporal knows by its name. No transaction is open while Temporal is called.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import (
    ActivityIDConflictPolicy,
    ActivityIDReusePolicy,
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)

from db.engine import autocommit
from db.repositories import effects, leases
from domain import names
from domain.effects import PORT_OF, PROFILES, URGENCY, EffectRef, HandOver
from runtime.metrics import RELAYED
from runtime.settings import Settings

_log = structlog.get_logger()

_BATCH: Final = 100
_AT_ONCE: Final = 16
_BREATH: Final = 0.05
"""Seconds until the next round when there may be more."""
_ROUND_SECONDS: Final = 2.0
_LEASE: Final = timedelta(seconds=3)
"""Longer than a round, and short: when its holder dies or stands still, the others wait for so long."""
_RPC_TIMEOUT: Final = timedelta(seconds=5)
_MARGIN: Final = timedelta(seconds=15)
"""An attempt ends itself; Temporal ends one that does not."""
_AFTER_A_CRASH: Final = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=1.0)
"""Failures name their own wait: this is for attempts whose worker was killed, which the runner counts as well."""
_TENANT: Final = SearchAttributeKey.for_keyword(names.TENANT_ID)


class Relay:
    """Hands effects over until it is cancelled."""

    def __init__(self, client: Client, engine: AsyncEngine, settings: Settings) -> None:
        self._client = client
        self._engine = engine
        self._interval = settings.relay_interval_seconds
        self._heartbeat = timedelta(seconds=settings.effect_heartbeat_seconds)
        self._holder = uuid4()

    async def run(self) -> None:
        """Go on for ever; a round that fails is said in the log and tried again."""
        while True:
            try:
                busy = await self.round()
            except Exception as error:  # PostgreSQL or Temporal is away: the next round finds the same work
                _log.warning("relay_failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
                busy = False
            await asyncio.sleep(_BREATH if busy else self._interval)

    async def round(self) -> bool:
        """Hand over what is due, if no other worker is at it; whether there may be more."""
        due = await self._due()
        if not due:
            return False
        handed = await self._start_all(due)
        async with autocommit(self._engine) as conn:
            await effects.mark_handed(conn, handed)
        RELAYED.labels("handed").inc(len(handed))
        RELAYED.labels("failed").inc(len(due) - len(handed))
        return bool(handed)

    async def _due(self) -> Sequence[HandOver]:
        """What is due, if it is ours to hand over. Idle workers ask for no lease, and so write nothing."""
        async with autocommit(self._engine) as conn:
            due = await effects.list_to_hand_over(conn, limit=_BATCH)
            is_ours = bool(due) and await leases.take(conn, leases.RELAY, self._holder, lasts=_LEASE)
        return due if is_ours else []

    async def _start_all(self, due: Sequence[HandOver]) -> list[EffectRef]:
        """Start them, as far as they can be; those that Temporal has."""
        slots = asyncio.Semaphore(_AT_ONCE)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ROUND_SECONDS  # the lease ends soon after

        async def start(effect: HandOver) -> EffectRef | None:
            async with slots:
                if loop.time() > deadline:
                    return None
                try:
                    await self._start(effect)
                except Exception as error:  # one that cannot be started holds up no other
                    told = f"{type(error).__name__}: {error}".splitlines()[0]
                    _log.warning("effect_not_started", effect_id=str(effect.effect_id), error=told)
                    return None
            return effect.ref

        started = await asyncio.gather(*(start(effect) for effect in due))
        return [ref for ref in started if ref is not None]

    async def _start(self, effect: HandOver) -> None:
        profile = PROFILES[PORT_OF[effect.vendor]]
        await self._client.start_activity(
            effect.kind,
            effect.ref,
            id=names.effect_activity_id(effect.effect_id, effect.round),
            task_queue=names.effect_task_queue(effect.vendor),
            start_to_close_timeout=profile.timeout + _MARGIN,
            heartbeat_timeout=self._heartbeat,
            retry_policy=_AFTER_A_CRASH,
            id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=ActivityIDReusePolicy.ALLOW_DUPLICATE,
            priority=Priority(priority_key=URGENCY[effect.kind], fairness_key=str(effect.business_id)),
            search_attributes=TypedSearchAttributes([SearchAttributePair(_TENANT, str(effect.business_id))]),
            summary=f"booking {effect.booking_id}" if effect.booking_id else None,
            rpc_timeout=_RPC_TIMEOUT,
        )
