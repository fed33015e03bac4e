"""Starting workflows right behind the answer: bounded, so that a burst never hands Temporal more than it takes.

What is lost here (a crash, an outage) is not lost: recovery finds every booking without its first step.
"""

import asyncio
import contextlib

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import autocommit
from db.repositories import maintenance
from domain.errors import BusyError
from domain.steps import BookingStart
from runtime.metrics import STARTS, STARTS_WAITING
from workflows.launch import start_booking

_log = structlog.get_logger()

_COUNT_EVERY_SECONDS = 1.0


class Starter:
    """A queue of starts with a few senders, and the gate that closes when too many bookings wait."""

    def __init__(self, client: Client, engine: AsyncEngine, *, concurrency: int, backlog_limit: int) -> None:
        self._client = client
        self._engine = engine
        self._concurrency = concurrency
        self._limit = backlog_limit
        self._queue: asyncio.Queue[BookingStart] = asyncio.Queue()
        self._waiting_everywhere = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to send; call it in a running loop."""
        self._tasks = [asyncio.create_task(self._send()) for _ in range(self._concurrency)]
        self._tasks.append(asyncio.create_task(self._count()))

    async def stop(self, *, within_seconds: float) -> None:
        """Send what is queued as far as the time allows, then leave the rest to recovery."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), within_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def refuse_when_full(self) -> None:
        """Call before anything is written.

        Raises:
            BusyError: more bookings wait for their workflow, here or anywhere, than the limit allows.
        """
        if max(self._waiting_everywhere, self._queue.qsize()) > self._limit:
            raise BusyError

    def submit(self, start: BookingStart) -> None:
        """Start this booking's workflow soon; never waits, never fails."""
        self._queue.put_nowait(start)
        STARTS_WAITING.set(self._queue.qsize())

    async def _send(self) -> None:
        while True:
            start = await self._queue.get()
            try:
                await start_booking(self._client, start)
                STARTS.labels("api", "started").inc()
            except Exception as error:  # whatever it was, recovery starts it later
                STARTS.labels("api", "failed").inc()
                _log.warning("start_failed", booking_id=str(start.booking_id), error=str(error))
            finally:
                self._queue.task_done()
                STARTS_WAITING.set(self._queue.qsize())

    async def _count(self) -> None:
        """Keep the number of waiting bookings at hand, so that creating one asks no extra question."""
        while True:
            with contextlib.suppress(Exception):  # the database is away: creating says so itself
                async with autocommit(self._engine) as conn:
                    self._waiting_everywhere = await maintenance.count_unstarted(conn, up_to=self._limit + 1)
            await asyncio.sleep(_COUNT_EVERY_SECONDS)
