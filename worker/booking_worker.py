"""The Temporal worker that runs bookings. Its limits were found by measuring."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import PollerBehaviorAutoscaling, Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.booking import BookingActivities
from activities.external_calendars import DueSources
from activities.reconciliation import ReconciledIntegrations
from domain import names
from domain.effects import CONSOLE, Vendor
from runtime.settings import Settings
from workflows.account_messages import AccountMessageWorkflow
from workflows.booking import BookingWorkflow
from workflows.external_calendars import RefreshExternalCalendars
from workflows.reconciliation import ReconcileWorkflow

# Imported once for all workflows instead of once for each, at a fraction of the CPU. Instead of the sandbox the
# linter keeps clocks, chance and I/O out of these packages.
_PASSED_THROUGH = ("domain", "workflows", "pydantic", "pydantic_core", "annotated_types", "typing_extensions")

_STICKY_TIMEOUT = timedelta(seconds=2)
"""The tasks of a killed worker's bookings wait so long for it in its own queue before another worker gets them."""


def sandbox() -> SandboxedWorkflowRunner:
    """The sandbox, with our own pure packages passed through."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=restrictions)


def booking_activities(engine: AsyncEngine, settings: Settings) -> list[Callable[..., Any]]:
    """Local activities: short transactions in PostgreSQL, run by the worker that runs the workflow."""
    booking = BookingActivities(engine, mails_by=Vendor.SMTP if settings.smtp_url else CONSOLE)
    due = DueSources(engine)
    listing: list[Callable[..., Any]] = [due.list_due_sources, ReconciledIntegrations(engine).list_to_reconcile]
    return [booking.load_booking, booking.catch_up, booking.record_step, booking.send_reminder, *listing]


def build_worker(client: Client, engine: AsyncEngine, settings: Settings) -> Worker:
    """The worker that runs bookings."""
    return Worker(
        client,
        task_queue=names.BOOKINGS_TASK_QUEUE,
        workflows=[BookingWorkflow, RefreshExternalCalendars, AccountMessageWorkflow, ReconcileWorkflow],
        activities=booking_activities(engine, settings),
        no_remote_activities=True,
        workflow_runner=sandbox(),
        max_cached_workflows=settings.worker_cached_workflows,
        sticky_queue_schedule_to_start_timeout=_STICKY_TIMEOUT,
        # A step holds a database connection: more steps than connections would only wait there.
        max_concurrent_local_activities=settings.database_pool_max,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(
            minimum=2, initial=settings.worker_pollers, maximum=settings.worker_pollers
        ),
        graceful_shutdown_timeout=timedelta(seconds=settings.worker_graceful_seconds),
        deployment_config=deployment(settings),
    )


def deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """The version of this worker; none: workers are not versioned.

    Bookings live for months. They move on to the current version, and `workflow.patched` guards changes.
    """
    if not settings.worker_build_id:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name="holdfast", build_id=settings.worker_build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )
