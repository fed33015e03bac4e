"""Load generation: open loop (a fixed rate, whatever the answers) and closed loop (a fixed number of clients)."""

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Send = Callable[[], Awaitable[T]]

_LEAD_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Sample(Generic[T]):
    """One completed operation."""

    result: T
    seconds: float
    """From the time it was due (open loop) or sent (closed loop) to its answer."""
    due_at: float
    """Time at which it was due or sent: wall clock, seconds since the epoch."""
    answered_at: float
    """Wall clock, seconds since the epoch."""


async def open_loop(rate: float, sends: Sequence[Send[T]]) -> list[Sample[T]]:
    """Send `rate` operations per second, without waiting for earlier answers.

    Latency is counted from the time an operation was due, so that a stall counts for every operation that it
    delays: no coordinated omission.
    """
    loop = asyncio.get_running_loop()
    first = time.perf_counter() + _LEAD_SECONDS
    due = schedule(first, rate, len(sends))
    tasks: list[asyncio.Task[Sample[T]]] = []
    all_sent = asyncio.Event()

    def send(index: int) -> None:
        tasks.append(loop.create_task(_timed(sends[index], due[index])))
        if len(tasks) == len(sends):
            all_sent.set()

    with _timer_thread(loop, due, send), garbage_collector_paused():
        await all_sent.wait()
        return list(await asyncio.gather(*tasks))


def schedule(first: float, rate: float, count: int) -> list[float]:
    """The due times of `count` operations at `rate` per second, beginning with `first`."""
    return [first + number / rate for number in range(count)]


async def closed_loop(clients: int, sends: Sequence[Send[T]]) -> tuple[list[Sample[T]], float]:
    """Let `clients` work through the operations; each sends its next one when its last one is answered.

    Returns:
        The samples, and the seconds from the first request to the last answer.
    """
    waiting = iter(sends)

    async def client() -> list[Sample[T]]:
        return [await _timed(send, time.perf_counter()) for send in waiting]

    with garbage_collector_paused():
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(client()) for _ in range(clients)]
        seconds = time.perf_counter() - started
    return [sample for task in working for sample in task.result()], seconds


async def _timed(send: Send[T], due: float) -> Sample[T]:
    late = time.perf_counter() - due
    due_at = time.time() - late
    result = await send()
    return Sample(result, time.perf_counter() - due, due_at, time.time())


@contextmanager
def _timer_thread(
    loop: asyncio.AbstractEventLoop, due: Sequence[float], send: Callable[[int], None]
) -> Iterator[None]:
    """Call `send` in the event loop at each due time; a thread, because the loop's timers are less precise."""
    stop = threading.Event()

    def run() -> None:
        for index, at in enumerate(due):
            if stop.wait(max(at - time.perf_counter(), 0)):
                return
            loop.call_soon_threadsafe(send, index)

    thread = threading.Thread(target=run, name="load-timer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


@contextmanager
def garbage_collector_paused() -> Iterator[None]:
    """Keep the load generator's garbage collections out of the figures."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
