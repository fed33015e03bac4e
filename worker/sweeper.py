"""The sweeper: every booking has exactly one workflow, or is about to; so has every message about an account.

It runs in every worker. Its starts leave a workflow that runs alone, so several at once do no harm.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import autocommit
from db.repositories import effects, maintenance, payments
from domain import names
from domain.steps import BookingRef, BookingStart, Reason
from runtime.metrics import STARTS, SWEEPS
from runtime.settings import Settings
from worker.audit import booking_id_of
from worker.takeover import Takeover
from workflows.account_messages import start_account_message
from workflows.launch import start_booking, tell_of_payment

_log = structlog.get_logger()

_BATCH = 200
_CONCURRENCY = 8
_LOOK_BACK = timedelta(hours=24)
_AGAIN_EVERY = timedelta(seconds=15)
_REVIVE_EVERY_ROUNDS = 5
_MESSAGES_EVERY_ROUNDS = 3
_PAYMENTS_EVERY_ROUNDS = 5
_TIDY_EVERY = timedelta(minutes=1)
_LOST_EFFECTS_EVERY = timedelta(seconds=15)
_EFFECT_IS_LOST = timedelta(seconds=30)
"""After the end of its lease, or after its next attempt was due: by then Temporal has begun another."""
_HOLDS_ARE_TOLD = timedelta(days=1)
"""How long a hold that ran out can still be asked about."""
_OVERLAP = timedelta(minutes=2)
"""Visibility is written a little later than the close that it tells of."""

_ENDED_BADLY = "ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut')"


class Sweeper:
    """Rounds: what was never started, workflows that ended as nobody meant, what has run out."""

    def __init__(self, client: Client, engine: AsyncEngine, settings: Settings) -> None:
        self._client = client
        self._engine = engine
        self._interval = timedelta(seconds=settings.sweep_interval_seconds)
        self._grace = timedelta(seconds=settings.sweep_grace_seconds)
        self._takeover = Takeover(client, engine, timedelta(seconds=settings.takeover_grace_seconds))
        self._swept_to = maintenance.FIRST_ID
        self._messages_swept_to = maintenance.FIRST_ID
        self._closed_since = datetime.now(UTC) - _LOOK_BACK
        self._revived: set[str] = set()
        """Runs that the last look found: the looks overlap, and each run is seen to once."""
        self._tasks = (
            _Periodic(self._begin_again, _AGAIN_EVERY),
            _Periodic(self._start_unstarted, timedelta()),
            _Periodic(self._takeover.tell_unconfirmed, timedelta()),
            _Periodic(self._revive_ended, self._interval * _REVIVE_EVERY_ROUNDS),
            _Periodic(self._send_unsent, self._interval * _MESSAGES_EVERY_ROUNDS),
            _Periodic(self._tell_of_payments, self._interval * _PAYMENTS_EVERY_ROUNDS),
            _Periodic(self._forget_holds, _TIDY_EVERY),
            _Periodic(self._take_back_effects, _LOST_EFFECTS_EVERY),
            _Periodic(self._forget_identity, _TIDY_EVERY),
        )

    async def run(self) -> None:
        """Sweep until cancelled; a round that fails is said in the log and tried again."""
        while True:
            try:
                await self.sweep()
                SWEEPS.labels("done").inc()
            except Exception as error:  # PostgreSQL or Temporal is away: the next round finds the same work
                SWEEPS.labels("failed").inc()
                _log.warning("sweep_failed", errors=_first_lines(error))
            await asyncio.sleep(self._interval.total_seconds())

    async def sweep(self) -> None:
        """One round. What fails is due again in the next, and holds up nothing else.

        Raises:
            ExceptionGroup: of whatever failed.
        """
        errors = []
        for task in self._tasks:
            try:
                await task.run_if_due()
            except Exception as error:
                errors.append(error)
        if errors:
            raise ExceptionGroup("the sweep was not complete", errors)

    async def _begin_again(self) -> None:
        """Ask once more for all that still waits: a start may have been lost since it was asked for."""
        self._swept_to = maintenance.FIRST_ID

    async def _start_unstarted(self) -> None:
        """Start what a crash or an outage left without its first step.

        Walks on from round to round: in a burst, when thousands wait for their turn, each is asked for once in
        a while instead of the oldest again and again.
        """
        async with autocommit(self._engine) as conn:
            found = await maintenance.list_unstarted(conn, grace=self._grace, after=self._swept_to, limit=_BATCH)
        if found:
            self._swept_to = found[-1].booking_id
        _raise_first(await self._start_all(found, flag_reason=None))

    async def _revive_ended(self) -> None:
        """Find bookings that go on although their workflow was terminated or failed; flag and resume them."""
        since = self._closed_since.strftime("%Y-%m-%dT%H:%M:%SZ")
        query = f"WorkflowType = '{names.BOOKING_WORKFLOW}' AND {_ENDED_BADLY} AND CloseTime > '{since}'"
        ended = {run.run_id: run async for run in self._client.list_workflows(query)}
        await self._revive({booking_id_of(ended[run_id].id) for run_id in ended.keys() - self._revived})
        # By Temporal's clock, whatever this process's says.
        closed = [run.close_time - _OVERLAP for run in ended.values() if run.close_time is not None]
        self._closed_since, self._revived = max([self._closed_since, *closed]), set(ended)

    async def _revive(self, ids: set[UUID | None]) -> None:
        wanted = [booking_id for booking_id in ids if booking_id is not None]
        errors: list[Exception] = []
        for start in range(0, len(wanted), _BATCH):
            async with autocommit(self._engine) as conn:
                still_open = await maintenance.list_still_open(conn, wanted[start : start + _BATCH])
            errors += await self._start_all(still_open, flag_reason=Reason.WORKFLOW_CLOSED)
        _raise_first(errors)

    async def _tell_of_payments(self) -> None:
        """Tell bookings of payments that are there, where that was lost: they wait for nothing else."""
        async with autocommit(self._engine) as conn:
            unnotified = await payments.list_unnotified(conn, limit=_BATCH)
        for ref in unnotified:
            await tell_of_payment(self._client, ref)

    async def _forget_holds(self) -> None:
        """Delete what is left of holds that ran out."""
        async with autocommit(self._engine) as conn:
            await maintenance.forget_holds(conn, told_until=datetime.now(UTC) - _HOLDS_ARE_TOLD)

    async def _take_back_effects(self) -> None:
        """Have effects handed over again of which nothing was heard; what Temporal has, it leaves alone."""
        async with autocommit(self._engine) as conn:
            lost = await effects.requeue_expired(conn, age=_EFFECT_IS_LOST)
        if lost:
            _log.warning("effects_taken_back", count=lost)

    async def _forget_identity(self) -> None:
        """Delete what is left of sessions, counters and answers to keys whose time is over."""
        async with autocommit(self._engine) as conn:
            await maintenance.forget_identity(conn)

    async def _send_unsent(self) -> None:
        """Start the messages that a crash or an outage left unsent; walks on, and begins again at the end."""
        after = self._messages_swept_to
        async with autocommit(self._engine) as conn:
            found = await maintenance.list_unsent_messages(conn, grace=self._grace, after=after, limit=_BATCH)
        for request_id in found:
            await start_account_message(self._client, request_id)
            self._messages_swept_to = request_id
            STARTS.labels("sweeper", "started").inc()
        if len(found) < _BATCH:
            self._messages_swept_to = maintenance.FIRST_ID

    async def _start_all(self, refs: Sequence[BookingRef], *, flag_reason: str | None) -> list[Exception]:
        """Start them all, as far as they can be; what kept the others from it."""
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def start(ref: BookingRef) -> Exception | None:
            begin = BookingStart(booking_id=ref.booking_id, business_id=ref.business_id, flag_reason=flag_reason)
            async with slots:
                try:
                    await start_booking(self._client, begin)
                except Exception as error:  # one that cannot be started holds up no other
                    STARTS.labels("sweeper", "failed").inc()
                    return error
            STARTS.labels("sweeper", "started").inc()
            return None

        outcomes = await asyncio.gather(*(start(ref) for ref in refs))
        errors = [error for error in outcomes if error is not None]
        if len(errors) < len(refs):
            _log.info(
                "bookings_started", count=len(refs) - len(errors), failed=len(errors), flag_reason=flag_reason
            )
        return errors


class _Periodic:
    """A task that is done when its time has come, and due again so long after it succeeded."""

    def __init__(self, task: Callable[[], Awaitable[None]], interval: timedelta) -> None:
        self._task = task
        self._interval = interval
        self._due_at = 0.0

    async def run_if_due(self) -> None:
        now = time.monotonic()  # no clock that is set makes it late
        if now >= self._due_at:
            await self._task()
            self._due_at = now + self._interval.total_seconds()


def _raise_first(errors: Sequence[Exception]) -> None:
    """Fail the task, so that it is due again, once it has done all it can."""
    if errors:
        raise errors[0]


def _first_lines(error: Exception) -> list[str]:
    causes = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
    return [f"{type(cause).__name__}: {cause}".splitlines()[0] for cause in causes]
