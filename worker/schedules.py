"""Temporal Schedules: every worker creates, updates and deletes those that this installation needs.

While no business has an outside calendar, or a vendor whose records are compared, there is no schedule for it.
Rounds that find nothing would fill the list in which an admin looks for bookings.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

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
from worker.polling import poll
from workflows import options
from workflows.external_calendars import RefreshExternalCalendars
from workflows.reconciliation import ReconcileWorkflow

_RETRY = timedelta(seconds=30)
_CATCH_UP = timedelta(seconds=10)
"""After an outage the next round finds all that is due: missed rounds are not made up for."""
_NO_OVERLAP = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP)


@dataclass
class _KeptSchedule:
    """A schedule that exists while there is work for it."""

    name: str
    schedule: Schedule
    is_wanted: Callable[[AsyncConnection], Awaitable[bool]]
    is_there: bool | None = field(default=None, init=False)
    """Whether it exists, as far as this worker has made sure; none: not yet."""

    async def keep(self, client: Client, engine: AsyncEngine) -> None:
        async with autocommit(engine) as conn:
            wanted = await self.is_wanted(conn)
        if wanted is not self.is_there:
            await (_ensure(client, self.name, self.schedule) if wanted else _remove(client, self.name))
            self.is_there = wanted


async def keep_schedules(client: Client, engine: AsyncEngine, settings: Settings) -> None:
    """Keep the schedules until cancelled. Bookings do not depend on it."""
    calendars, reconciling = external_calendars(settings), reconciliation(settings)
    kept = (
        _KeptSchedule(names.EXTERNAL_CALENDARS_SCHEDULE, calendars, external_sources.any_exist),
        _KeptSchedule(names.RECONCILE_SCHEDULE, reconciling, findings.any_to_reconcile),
    )

    async def keep_all() -> None:
        for one in kept:
            await one.keep(client, engine)

    interval = timedelta(seconds=settings.sweep_interval_seconds)
    await poll(keep_all, every=interval, retry=_RETRY, failure="schedules_not_kept")


async def ensure_external_calendars(client: Client, settings: Settings) -> None:
    """Create or update the schedule that has outside calendars read. One that is paused stays paused.

    Raises:
        RPCError: Temporal cannot be reached, or refuses.
    """
    await _ensure(client, names.EXTERNAL_CALENDARS_SCHEDULE, external_calendars(settings))


async def ensure_reconciliation(client: Client, settings: Settings) -> None:
    """Create or update the schedule that has vendors' records compared with ours. One that is paused stays paused.

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
    """Delete the schedule, if it exists, and cancel the rounds that it has under way."""
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
        if error.status is not RPCStatusCode.NOT_FOUND:  # then it has ended already
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
