"""The Temporal worker that calls other systems, on a task queue of its own: one that hangs holds up no booking."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, Worker

from domain import names
from runtime.settings import Settings
from worker.booking_worker import deployment
from worker.registry import Vendors, sync_activities

_CALLS_AT_ONCE = 20
_POLLERS = 2


def build_sync_worker(client: Client, engine: AsyncEngine, settings: Settings, vendors: Vendors) -> Worker:
    """The worker for activities that call other systems; it runs no workflows."""
    return Worker(
        client,
        task_queue=names.SYNC_TASK_QUEUE,
        activities=sync_activities(engine, settings, vendors),
        max_concurrent_activities=_CALLS_AT_ONCE,
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(_POLLERS),
        graceful_shutdown_timeout=timedelta(seconds=settings.worker_graceful_seconds),
        deployment_config=deployment(settings),
    )
