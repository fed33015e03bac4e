"""Workflow recovery: every booking has exactly one workflow that knows it, or will have one within seconds.

It starts what was never started, resumes what was ended by force, and signals workflows that may have missed a
committed step, or a payment. It also starts the unsent messages about accounts. Every worker does so: starts leave
a running workflow alone, and signals are harmless twice. `worker/consistency_check.py` finds what this does not.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import autocommit
from db.repositories import maintenance, payments, unconfirmed
from db.repositories.unconfirmed import Unconfirmed
from domain import names
from domain.steps import BookingRef, BookingStart, Reason
from runtime.metrics import CAUGHT_UP, STARTS
from runtime.settings import Settings
from worker.consistency_check import booking_id_of
from worker.polling import Task, attempt_all, raise_first
from workflows.account_messages import start_account_message
from workflows.launch import signal_catch_up, signal_payment_authorized, start_booking

_log = structlog.get_logger()

_BATCH: Final = 200
_CONCURRENCY: Final = 8
_LOOK_BACK: Final = timedelta(hours=24)
_ASK_AGAIN_EVERY: Final = timedelta(seconds=15)
_RESUME_EVERY_ROUNDS: Final = 5
_MESSAGES_EVERY_ROUNDS: Final = 3
_PAYMENTS_EVERY_ROUNDS: Final = 5
_OVERLAP: Final = timedelta(minutes=2)
"""Visibility shows a workflow as closed a little later than it closed."""
_ENDED_BY_FORCE: Final = "ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut')"


class WorkflowRecovery:
    """The recovery tasks of one worker, with how far each has got."""

    def __init__(self, client: Client, engine: AsyncEngine, settings: Settings) -> None:
        self._client = client
        self._engine = engine
        self._interval = timedelta(seconds=settings.sweep_interval_seconds)
        self._grace = timedelta(seconds=settings.sweep_grace_seconds)
        self._takeover_grace = timedelta(seconds=settings.takeover_grace_seconds)
        self._started_to = maintenance.FIRST_ID
        self._messages_sent_to = maintenance.FIRST_ID
        self._closed_since = datetime.now(UTC) - _LOOK_BACK
        self._resumed: set[str] = set()
        """The runs that the last look found. Looks overlap, and each run is resumed once."""

    def tasks(self) -> list[Task]:
        """What is to be done, and how often. `timedelta()` is every round."""
        return [
            Task(self.ask_again, _ASK_AGAIN_EVERY),
            Task(self.start_unstarted),
            Task(self.signal_unconfirmed),
            Task(self.resume_ended_by_force, self._interval * _RESUME_EVERY_ROUNDS),
            Task(self.send_unsent_messages, self._interval * _MESSAGES_EVERY_ROUNDS),
            Task(self.signal_payments, self._interval * _PAYMENTS_EVERY_ROUNDS),
        ]

    async def ask_again(self) -> None:
        """Begin again with the first booking that is not started: a start may have been lost after it was sent."""
        self._started_to = maintenance.FIRST_ID

    async def start_unstarted(self) -> None:
        """Start what a crash or an outage left without its first step.

        Goes on from round to round where it stopped. In a burst thousands wait for their first step: each is asked
        for once in a while instead of the oldest again and again.
        """
        async with autocommit(self._engine) as conn:
            found = await maintenance.list_unstarted(conn, grace=self._grace, after=self._started_to, limit=_BATCH)
        if found:
            self._started_to = found[-1].booking_id
        raise_first(await self._start_all(found, flag_reason=None))

    async def signal_unconfirmed(self) -> None:
        """Signal workflows that may not know a committed step of theirs.

        A command's step is committed before its update is durable in Temporal. Where nobody has heard the update's
        answer, a signal makes the workflow read its booking again.
        """
        async with autocommit(self._engine) as conn:
            found = await unconfirmed.list_unconfirmed(conn, age=self._takeover_grace, limit=_BATCH)
        errors = await attempt_all(found, self._signal_unconfirmed)
        if found:
            _log.info("unconfirmed_commands_told", count=len(found) - len(errors), failed=len(errors))
        raise_first(errors)

    async def _signal_unconfirmed(self, one: Unconfirmed) -> None:
        ref = one.ref
        # A workflow that does not run reads the booking when it starts, whoever starts it.
        await signal_catch_up(self._client, ref.booking_id)
        CAUGHT_UP.labels("recovery").inc()
        async with autocommit(self._engine) as conn:  # the signal is durable
            await unconfirmed.confirm(conn, ref.business_id, ref.booking_id, one.version)

    async def resume_ended_by_force(self) -> None:
        """Flag and resume open bookings whose workflow was terminated, failed or timed out."""
        since = self._closed_since.strftime("%Y-%m-%dT%H:%M:%SZ")
        query = f"WorkflowType = '{names.BOOKING_WORKFLOW}' AND {_ENDED_BY_FORCE} AND CloseTime > '{since}'"
        ended = {run.run_id: run async for run in self._client.list_workflows(query)}
        await self._resume({booking_id_of(ended[run_id].id) for run_id in ended.keys() - self._resumed})
        # By Temporal's clock, whatever this process's says.
        closed = [run.close_time - _OVERLAP for run in ended.values() if run.close_time is not None]
        self._closed_since, self._resumed = max([self._closed_since, *closed]), set(ended)

    async def _resume(self, ids: set[UUID | None]) -> None:
        wanted = [booking_id for booking_id in ids if booking_id is not None]
        errors: list[Exception] = []
        for start in range(0, len(wanted), _BATCH):
            async with autocommit(self._engine) as conn:
                still_open = await maintenance.list_still_open(conn, wanted[start : start + _BATCH])
            errors += await self._start_all(still_open, flag_reason=Reason.WORKFLOW_CLOSED)
        raise_first(errors)

    async def _start_all(self, refs: Sequence[BookingRef], *, flag_reason: str | None) -> list[Exception]:
        """Start the workflows of these bookings; the errors of those that could not be started."""

        async def start(ref: BookingRef) -> None:
            begin = BookingStart(booking_id=ref.booking_id, business_id=ref.business_id, flag_reason=flag_reason)
            await start_booking(self._client, begin)

        errors = await attempt_all(refs, start, at_once=_CONCURRENCY)
        started = len(refs) - len(errors)
        STARTS.labels("sweeper", "failed").inc(len(errors))
        STARTS.labels("sweeper", "started").inc(started)
        if started:
            _log.info("bookings_started", count=started, failed=len(errors), flag_reason=flag_reason)
        return errors

    async def send_unsent_messages(self) -> None:
        """Start the account messages that a crash or an outage left unsent. After the last it begins anew."""
        after = self._messages_sent_to
        async with autocommit(self._engine) as conn:
            found = await maintenance.list_unsent_messages(conn, grace=self._grace, after=after, limit=_BATCH)
        for request_id in found:
            await start_account_message(self._client, request_id)
            self._messages_sent_to = request_id
            STARTS.labels("sweeper", "started").inc()
        if len(found) < _BATCH:
            self._messages_sent_to = maintenance.FIRST_ID

    async def signal_payments(self) -> None:
        """Signal workflows whose awaited payment is authorized: the first signal may be lost."""
        async with autocommit(self._engine) as conn:
            unnotified = await payments.list_unnotified(conn, limit=_BATCH)
        for ref in unnotified:
            await signal_payment_authorized(self._client, ref)
