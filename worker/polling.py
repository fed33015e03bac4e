"""Loops: what a worker does again and again, and how it goes on when that fails.

`poll` is the loop. A round of several tasks, each with an interval of its own, is `Tasks.run_due`. Within a task,
`attempt_all` does the same to many items, so that one that fails holds up no other.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

import structlog
from prometheus_client import Counter

_log = structlog.get_logger()

T = TypeVar("T")


async def poll(
    run_round: Callable[[], Awaitable[bool | None]],
    *,
    every: timedelta,
    failure: str,
    retry: timedelta | None = None,
    when_busy: timedelta = timedelta(),
    outcomes: Counter | None = None,
) -> None:
    """Run rounds until cancelled. A round that fails is logged as the event `failure`, and another one follows.

    Rounds are `every` apart, counted from the end of one to the start of the next: `when_busy` after a round that
    returned True (there may be more to do), `retry` after one that failed. `outcomes` counts rounds by `outcome`,
    `done` or `failed`.
    """
    while True:
        try:
            pause = when_busy if await run_round() else every
            _count(outcomes, "done")
        except Exception as error:  # PostgreSQL or Temporal is away: a later round finds the same work
            pause = every if retry is None else retry
            _count(outcomes, "failed")
            _log.warning(failure, **described(error))
        if pause:
            await asyncio.sleep(pause.total_seconds())


async def retry_until_done(act: Callable[[], Awaitable[None]], *, every: timedelta, failure: str) -> None:
    """Do something once. When it fails, log the event `failure` and try again, `every` so long."""
    while True:
        try:
            await act()
        except Exception as error:
            _log.warning(failure, **described(error))
            await asyncio.sleep(every.total_seconds())
        else:
            return


def described(error: Exception) -> dict[str, Any]:
    """An error as fields of a log line: `error`, or `errors` when several are grouped. First lines only."""
    if isinstance(error, ExceptionGroup):
        return {"errors": [_first_line(cause) for cause in error.exceptions]}
    return {"error": _first_line(error)}


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _count(outcomes: Counter | None, outcome: str) -> None:
    if outcomes is not None:
        outcomes.labels(outcome).inc()


@dataclass
class Task:
    """Something that is due again `every` so long after it has succeeded, and at once after it has failed."""

    run: Callable[[], Awaitable[None]]
    every: timedelta = timedelta()
    _due_at: float = field(default=0.0, init=False)

    async def run_if_due(self) -> None:
        """Run, unless it is too early."""
        now = time.monotonic()  # setting the clock makes no task late
        if now >= self._due_at:
            await self.run()
            self._due_at = now + self.every.total_seconds()


class Tasks:
    """Tasks that share one loop."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._tasks: Final = tuple(tasks)

    async def run_due(self) -> None:
        """Run the tasks that are due, one after the other. One that fails holds up no other.

        Raises:
            ExceptionGroup: of all that failed.
        """
        errors = await attempt_all(self._tasks, Task.run_if_due)
        if errors:
            raise ExceptionGroup("not every task was done", errors)


async def attempt_all(
    items: Iterable[T], act: Callable[[T], Awaitable[None]], *, at_once: int = 1
) -> list[Exception]:
    """Act on every item, `at_once` of them at a time; the errors of those that failed, which hold up no other."""
    slots = asyncio.Semaphore(at_once)

    async def attempt(item: T) -> Exception | None:
        async with slots:
            try:
                await act(item)
            except Exception as error:
                return error
        return None

    outcomes = await asyncio.gather(*(attempt(item) for item in items))
    return [error for error in outcomes if error is not None]


def raise_first(errors: list[Exception]) -> None:
    """Raise the first error, if there is any: the task has done all it can, and has to run again."""
    if errors:
        raise errors[0]
