"""What Temporal starts by the clock. Every worker sees to it that the schedules are there."""

import asyncio
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from domain import names
from domain.reconciliation import ReconcileRequest
from runtime.settings import Settings
from workflows import options
from workflows.external_calendars import RefreshExternalCalendars
from workflows.reconciliation import ReconcileWorkflow

_log = structlog.get_logger()

_AGAIN_SECONDS = 30.0
_CATCH_UP = timedelta(seconds=10)
"""After an outage the next round finds all that is due: rounds that were missed are not made up for."""
_NO_OVERLAP = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP)


async def keep_schedules(client: Client, settings: Settings) -> None:
    """Create or update the schedules; goes on trying while Temporal is away or does not let us."""
    while True:
        try:
            await ensure_external_calendars(client, settings)
            await ensure_reconciliation(client, settings)
        except Exception as error:  # bookings do not depend on it
            _log.warning("schedules_not_kept", error=f"{type(error).__name__}: {error}".splitlines()[0])
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return


async def ensure_external_calendars(client: Client, settings: Settings) -> None:
    """Have outside calendars looked at every so often. Whether the schedule is paused stays as it is.

    Raises:
        RPCError: Temporal cannot be reached, or refuses.
    """
    await _ensure(client, names.EXTERNAL_CALENDARS_SCHEDULE, _external_calendars(settings))


async def ensure_reconciliation(client: Client, settings: Settings) -> None:
    """Have vendors' records compared with ours every so often. Whether the schedule is paused stays as it is.

    Raises:
        RPCError: Temporal cannot be reached, or refuses.
    """
    await _ensure(client, names.RECONCILE_SCHEDULE, _reconciliation(settings))


async def _ensure(client: Client, name: str, schedule: Schedule) -> None:
    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:

        def updated(found: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule.state = found.description.schedule.state
            return ScheduleUpdate(schedule=schedule)

        await client.get_schedule_handle(name).update(updated)


def _external_calendars(settings: Settings) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RefreshExternalCalendars.run,
            id=names.EXTERNAL_CALENDARS_SCHEDULE,
            task_queue=names.BOOKINGS_TASK_QUEUE,
            execution_timeout=options.ROUND_TIMEOUT,
            priority=options.in_turn(names.EXTERNAL_CALENDARS_SCHEDULE),
        ),
        spec=_every(settings.external_check_seconds),
        policy=_NO_OVERLAP,
    )


def _reconciliation(settings: Settings) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ReconcileWorkflow.run,
            ReconcileRequest(),
            id=names.RECONCILE_SCHEDULE,
            task_queue=names.BOOKINGS_TASK_QUEUE,
            priority=options.in_turn(names.RECONCILE_SCHEDULE),
        ),
        spec=_every(settings.reconcile_interval_seconds),
        policy=_NO_OVERLAP,
    )


def _every(seconds: float) -> ScheduleSpec:
    return ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=seconds))])
