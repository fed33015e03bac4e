"""The Temporal workers that carry out effects: one for each vendor, on a task queue of its own.

A vendor that hangs fills the places of its own worker and no other's.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from domain import names
from runtime.settings import Settings
from worker.booking_worker import deployment
from worker.registry import Vendors, effect_activities

_AT_ONCE: Final = 100
"""Several times what one business may have under way: a business whose account hangs leaves room for others."""
_POLLERS: Final = 2


def build_effect_workers(
    client: Client, engine: AsyncEngine, settings: Settings, vendors: Vendors
) -> list[Worker]:
    """A worker for each vendor; none of them runs workflows."""
    return [
        Worker(
            client,
            task_queue=names.effect_task_queue(vendor),
            activities=activities,
            max_concurrent_activities=_AT_ONCE,
            activity_task_poller_behavior=PollerBehaviorSimpleMaximum(_POLLERS),
            graceful_shutdown_timeout=timedelta(seconds=settings.worker_graceful_seconds),
            deployment_config=deployment(settings),
        )
        for vendor, activities in effect_activities(engine, settings, vendors).items()
    ]
