"""Time from a fault to the first answered request."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bench.results import Row, at_most
from bench.stats import median_of
from bench.supervised_stack import SupervisedStack, running_supervised_stack
from bench.testbed import Testbed
from bench.workload import Workload

_REST_SECONDS: Final = 3.0
"""Pause between two faults, so that the effects of the first one end."""
_FREEZE_SECONDS: Final = 30.0


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Measure the median over several faults of each kind, on a separate stack."""
    return await testbed.servers.run(_measure(workload.rounds))


async def _measure(rounds: int) -> list[Row]:
    rows = []
    async with running_supervised_stack() as stack:
        for name, goal, fault in _FAULTS:
            seconds = [await _after(stack, fault) for _ in range(rounds)]
            rows.append(Row(name, "s", median_of(seconds), goal=at_most(goal), rounds=seconds))
    return rows


async def _after(stack: SupervisedStack, fault: Callable[[SupervisedStack], Awaitable[float]]) -> float:
    """Seconds from the end of a fault to the first answer, on an idle stack."""
    await asyncio.sleep(_REST_SECONDS)
    await stack.log_in()
    ended_at = await fault(stack)
    return time.monotonic() - ended_at


async def _kill_api(stack: SupervisedStack) -> float:
    ended_at = _kill(stack, "api")
    await stack.book()
    return ended_at


async def _kill_worker(stack: SupervisedStack) -> float:
    booking_id = await stack.book_and_be_offered()
    await asyncio.sleep(_REST_SECONDS)
    ended_at = _kill(stack, "worker")
    await stack.accept(booking_id)
    return ended_at


async def _restart(stack: SupervisedStack) -> float:
    await stack.kill_everything()
    ended_at = time.monotonic()
    await stack.start()
    await stack.book_and_be_offered()
    return ended_at


async def _freeze_postgres(stack: SupervisedStack) -> float:
    """Until the requests sent during the fault and one sent after it are answered."""
    booking_id = await stack.book_and_be_offered()
    frozen = stack.processes_of("postgres")
    for process in frozen:
        process.suspend()
    async with asyncio.TaskGroup() as requests:
        requests.create_task(stack.accept(booking_id))
        requests.create_task(stack.book_and_be_offered())
        await asyncio.sleep(_FREEZE_SECONDS)
        for process in frozen:
            process.resume()
        ended_at = time.monotonic()
        requests.create_task(stack.book_and_be_offered())
    return ended_at


def _kill(stack: SupervisedStack, name: str) -> float:
    ended_at = time.monotonic()
    stack.processes_of(name)[0].kill()
    return ended_at


_FAULTS: Final = (
    ("API killed, first booking", 3, _kill_api),
    ("worker killed, first command", 3, _kill_worker),
    ("everything killed, first booking offered", 10, _restart),
    (f"PostgreSQL frozen for {_FREEZE_SECONDS:g} s, all served", 10, _freeze_postgres),
)
