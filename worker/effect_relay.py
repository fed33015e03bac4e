"""The effect relay: planned effects are handed to Temporal, each as an activity on its vendor's task queue.

One worker at a time relays, under a lease that saves the others the work. An effect that is handed over twice,
because a worker died or stood still in between, is one activity: Temporal knows its id. No transaction is open
while Temporal is called. The relay also hands over again what is overdue: Temporal may have lost it.
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
from db.repositories import effect_handover, leases
from domain import names
from domain.effect_retries import Interruption, profile_of, wait_after_interruption
from domain.effects import URGENCY, DueEffect, EffectRef
from runtime.metrics import RELAYED
from runtime.settings import Settings
from worker.polling import Task, described

_log = structlog.get_logger()

_BATCH: Final = 100
_AT_ONCE: Final = 16
_ROUND_SECONDS: Final = 2.0
_LEASE: Final = timedelta(seconds=3)
"""Longer than a round. The others wait for so long when the holder dies or stands still."""
_RPC_TIMEOUT: Final = timedelta(seconds=5)
_TIMEOUT_MARGIN: Final = timedelta(seconds=15)
"""An attempt ends itself at its timeout. So much later Temporal ends one that does not."""
_RETRY_POLICY: Final = RetryPolicy(
    initial_interval=wait_after_interruption(Interruption.WORKER_LOST), backoff_coefficient=1.0
)
"""For attempts whose worker was killed. An attempt that fails names its own wait, and the runner counts both."""
_REQUEUE_EVERY: Final = timedelta(seconds=15)
_TENANT: Final = SearchAttributeKey.for_keyword(names.TENANT_ID)


class EffectRelay:
    """The relay of one worker."""

    def __init__(self, client: Client, engine: AsyncEngine, settings: Settings) -> None:
        self._client = client
        self._engine = engine
        self._heartbeat = timedelta(seconds=settings.effect_heartbeat_seconds)
        self._holder = uuid4()

    async def hand_over(self) -> bool:
        """Hand over what is due, unless another worker is relaying; whether there may be more."""
        due = await self._due()
        if not due:
            return False
        handed = await self._start_all(due)
        async with autocommit(self._engine) as conn:
            await effect_handover.mark_handed(conn, handed)
        RELAYED.labels("handed").inc(len(handed))
        RELAYED.labels("failed").inc(len(due) - len(handed))
        return bool(handed)

    async def _due(self) -> Sequence[DueEffect]:
        """What is due, if this worker has the lease. A worker that finds nothing does not ask for it."""
        async with autocommit(self._engine) as conn:
            due = await effect_handover.list_to_hand_over(conn, limit=_BATCH)
            is_ours = bool(due) and await leases.acquire(conn, leases.RELAY, self._holder, lasts=_LEASE)
        return due if is_ours else []

    async def _start_all(self, due: Sequence[DueEffect]) -> list[EffectRef]:
        """Start the activities of these effects; those that Temporal has then."""
        slots = asyncio.Semaphore(_AT_ONCE)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ROUND_SECONDS  # the lease ends soon after

        async def start(effect: DueEffect) -> EffectRef | None:
            async with slots:
                if loop.time() > deadline:
                    return None
                try:
                    await self._start(effect)
                except Exception as error:  # one that cannot be started holds up no other
                    _log.warning("effect_not_started", effect_id=str(effect.effect_id), **described(error))
                    return None
            return effect.ref

        started = await asyncio.gather(*(start(effect) for effect in due))
        return [ref for ref in started if ref is not None]

    async def _start(self, effect: DueEffect) -> None:
        await self._client.start_activity(
            effect.kind,
            effect.ref,
            id=names.effect_activity_id(effect.effect_id, effect.round),
            task_queue=names.effect_task_queue(effect.vendor),
            start_to_close_timeout=profile_of(effect.vendor).timeout + _TIMEOUT_MARGIN,
            heartbeat_timeout=self._heartbeat,
            retry_policy=_RETRY_POLICY,
            id_conflict_policy=ActivityIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=ActivityIDReusePolicy.ALLOW_DUPLICATE,
            priority=Priority(priority_key=URGENCY[effect.kind], fairness_key=str(effect.business_id)),
            search_attributes=TypedSearchAttributes([SearchAttributePair(_TENANT, str(effect.business_id))]),
            summary=f"booking {effect.booking_id}" if effect.booking_id else None,
            rpc_timeout=_RPC_TIMEOUT,
        )

    def tasks(self) -> list[Task]:
        """What is to be done beside handing over, and how often."""
        return [Task(self.requeue_overdue, _REQUEUE_EVERY)]

    async def requeue_overdue(self) -> None:
        """Have effects handed over again of which nothing was heard. Those that Temporal has stay as they are."""
        async with autocommit(self._engine) as conn:
            lost = await effect_handover.requeue_expired(conn, age=wait_after_interruption(Interruption.OVERDUE))
        if lost:
            _log.warning("effects_taken_back", count=lost)
