"""The background loops of a worker: what each does, and how often.

Every worker runs all of them. Each is harmless when several run it at once.
"""

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from runtime.metrics import SWEEPS
from runtime.settings import Settings
from worker.consistency_check import WorkflowConsistencyCheck
from worker.effect_rates import keep_effect_rates
from worker.effect_relay import EffectRelay
from worker.event_log import PACE, EventNumbering
from worker.polling import Tasks, poll
from worker.purges import OrphanedFiles, RowPurge
from worker.schedules import keep_schedules
from worker.workflow_recovery import WorkflowRecovery

_RELAY_WHEN_BUSY: Final = timedelta(milliseconds=50)
_FILES_EVERY: Final = timedelta(minutes=1)
_AUDIT_RETRY: Final = timedelta(seconds=10)


def background_loops(client: Client, engine: AsyncEngine, settings: Settings) -> list[Coroutine[Any, Any, None]]:
    """The loops, each to be run until the worker stops. No loop waits for another.

    The sweep is one loop for all short tasks: recovery, overdue effects and the purge of rows. Each task has an
    interval of its own, of which a round is the shortest.
    """
    relay = EffectRelay(client, engine, settings)
    sweep = Tasks(
        [
            *WorkflowRecovery(client, engine, settings).tasks(),
            *relay.tasks(),
            *RowPurge(engine).tasks(),
        ]
    )
    relay_interval = timedelta(seconds=settings.relay_interval_seconds)
    event_log_interval = timedelta(seconds=settings.event_log_interval_seconds)
    sweep_interval = timedelta(seconds=settings.sweep_interval_seconds)
    audit_interval = timedelta(seconds=settings.audit_interval_seconds)
    return [
        keep_effect_rates(client, settings),
        poll(relay.hand_over, every=relay_interval, when_busy=_RELAY_WHEN_BUSY, failure="relay_failed"),
        poll(
            EventNumbering(engine).run_round,
            every=event_log_interval,
            when_busy=min(PACE, event_log_interval),
            failure="event_log_failed",
        ),
        poll(OrphanedFiles(engine, settings).purge, every=_FILES_EVERY, failure="files_not_tidied"),
        keep_schedules(client, engine, settings),
        poll(sweep.run_due, every=sweep_interval, failure="sweep_failed", outcomes=SWEEPS),
        poll(
            WorkflowConsistencyCheck(client, engine).compare_all,
            every=audit_interval,
            retry=min(_AUDIT_RETRY, audit_interval),
            failure="audit_failed",
        ),
    ]
