"""What Temporal starts by the clock. Every worker keeps the schedules there while there is work for them.

Where no business has an outside calendar, or a vendor whose records are compared, there is no schedule for it:
rounds that find nothing would fill the list in which an admin looks for bookings.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from db.engine import autocommit
from db.repositories import external_sources, findings
from domain import names
from domain.external import RoundsRequest
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


@dataclass
class _Kept:
    """A schedule that is there while there is work for it."""

    name: str
    schedule: Schedule
    is_wanted: Callable[[AsyncConnection], Awaitable[bool]]
    is_there: bool | None = field(default=None, init=False)
    """As far as this worker has seen to it; none: not yet."""

    async def keep(self, client: Client, engine: AsyncEngine) -> None:
        async with autocommit(engine) as conn:
            wanted = await self.is_wanted(conn)
        if wanted is not self.is_there:
            await (_ensure(client, self.name, self.schedule) if wanted else _remove(client, self.name))
            self.is_there = wanted


async def keep_schedules(client: Client, engine: AsyncEngine, settings: Settings) -> None:
    """Create, update and remove the schedules; goes on while a server is away or does not let us."""
    kept = (
        _Kept(names.EXTERNAL_CALENDARS_SCHEDULE, external_calendars(settings), external_sources.any_exist),
        _Kept(names.RECONCILE_SCHEDULE, reconciliation(settings), findings.is_there_any_to_reconcile),
    )
    while True:
        try:
            for one in kept:
                await one.keep(client, engine)
        except Exception as error:  # bookings do not depend on it
            _log.warning("schedules_not_kept", error=f"{type(error).__name__}: {error}".splitlines()[0])
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            await asyncio.sleep(settings.sweep_interval_seconds)


async def ensure_external_calendars(client: Client, settings: Settings) -> None:
    """Have outside calendars looked at every so often. Whether the schedule is paused stays as it is.

    Raises:
        RPCError: Temporal cannot be reached, or refuses.
    """
    await _ensure(client, names.EXTERNAL_CALENDARS_SCHEDULE, external_calendars(settings))


async def ensure_reconciliation(client: Client, settings: Settings) -> None:
    """Have vendors' records compared with ours every so often. Whether the schedule is paused stays as it is.

    Raises:
        RPCError: Temporal cannot be reached, or refuses.
    """
    await _ensure(client, names.RECONCILE_SCHEDULE, reconciliation(settings))


async def _ensure(client: Client, name: str, schedule: Schedule) -> None:
    try:
        await client.create_schedule(name, schedule)
    except ScheduleAlreadyRunningError:

        def updated(found: ScheduleUpdateInput) -> ScheduleUpdate:
            schedule.state = found.description.schedule.state
            return ScheduleUpdate(schedule=schedule)

        await client.get_schedule_handle(name).update(updated)


async def _remove(client: Client, name: str) -> None:
    """Delete the schedule, if it is there, and let the round that it has under way end."""
    handle = client.get_schedule_handle(name)
    try:
        running = await _running(handle)
        await handle.delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return
    for workflow_id in running:
        await _cancel(client, workflow_id)


async def _running(handle: ScheduleHandle) -> list[str]:
    actions = (await handle.describe()).info.running_actions
    return [one.workflow_id for one in actions if isinstance(one, ScheduleActionExecutionStartWorkflow)]


async def _cancel(client: Client, workflow_id: str) -> None:
    try:
        await client.get_workflow_handle(workflow_id).cancel()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended by itself
            raise


def external_calendars(settings: Settings) -> Schedule:
    """The schedule of the rounds over outside calendars.

    One workflow makes the rounds of an hour, so that they are one line in the list; the schedule starts the next.
    """
    every = timedelta(seconds=settings.external_check_seconds)
    return Schedule(
        action=ScheduleActionStartWorkflow(
            RefreshExternalCalendars.run,
            RoundsRequest(every=every, until_after=options.ROUNDS_LAST),
            id=names.EXTERNAL_CALENDARS_SCHEDULE,
            task_queue=names.BOOKINGS_TASK_QUEUE,
            execution_timeout=options.ROUNDS_LAST + options.ROUND_TIMEOUT,
            priority=options.in_turn(names.EXTERNAL_CALENDARS_SCHEDULE),
        ),
        spec=_every(every),
        policy=_NO_OVERLAP,
    )


def reconciliation(settings: Settings) -> Schedule:
    """The schedule of the rounds that compare vendors' records with ours."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            ReconcileWorkflow.run,
            ReconcileRequest(),
            id=names.RECONCILE_SCHEDULE,
            task_queue=names.BOOKINGS_TASK_QUEUE,
            priority=options.in_turn(names.RECONCILE_SCHEDULE),
        ),
        spec=_every(timedelta(seconds=settings.reconcile_interval_seconds)),
        policy=_NO_OVERLAP,
    )


def _every(interval: timedelta) -> ScheduleSpec:
    return ScheduleSpec(intervals=[ScheduleIntervalSpec(every=interval)])
