"""The two ways to put load on something: open loop (at a rate, come what may) and closed loop (N clients)."""

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
    """One operation and how it went."""

    result: T
    seconds: float
    """From the moment it was due (open loop) or sent (closed loop) to its answer."""
    due_at: float
    """When it was due or sent: wall clock, seconds since the epoch."""
    answered_at: float
    """Wall clock, seconds since the epoch."""


async def open_loop(rate: float, sends: Sequence[Send[T]]) -> list[Sample[T]]:
    """Send `rate` operations a second, whether or not the ones before have been answered.

    Latency counts from the moment an operation was due, so that a stall is charged to every operation that it held
    up: no coordinated omission.
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

    with _metronome(loop, due, send), quiet_memory():
        await all_sent.wait()
        return list(await asyncio.gather(*tasks))


def schedule(first: float, rate: float, count: int) -> list[float]:
    """When each of `count` operations is due, `rate` a second, from `first` on."""
    return [first + number / rate for number in range(count)]


async def closed_loop(clients: int, sends: Sequence[Send[T]]) -> tuple[list[Sample[T]], float]:
    """Let `clients` work through the operations, each sending its next when its last is answered.

    Returns:
        The samples, and the seconds from the first send to the last answer.
    """
    waiting = iter(sends)

    async def client() -> list[Sample[T]]:
        return [await _timed(send, time.perf_counter()) for send in waiting]

    with quiet_memory():
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
def _metronome(
    loop: asyncio.AbstractEventLoop, due: Sequence[float], send: Callable[[int], None]
) -> Iterator[None]:
    """Call `send` in the loop at each due time; a thread, because the loop's own timers tick in milliseconds."""
    stop = threading.Event()

    def beat() -> None:
        for index, at in enumerate(due):
            if stop.wait(max(at - time.perf_counter(), 0)):
                return
            loop.call_soon_threadsafe(send, index)

    thread = threading.Thread(target=beat, name="metronome", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()


@contextmanager
def quiet_memory() -> Iterator[None]:
    """Keep the client's own garbage collector out of what it measures."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
