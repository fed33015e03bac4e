"""Two event loops: asyncio's runs the stack, and uvloop in a second thread generates the load.

uvloop halves the CPU time of the client but cannot start a process under another account, which PostgreSQL needs.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


async def on_fast_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on a uvloop in another thread and return its result; cancelling this call cancels the work."""
    started: Future[asyncio.Task[T]] = Future()

    def run() -> T:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            loop = runner.get_loop()
            task = loop.create_task(work())
            started.set_result(task)
            return loop.run_until_complete(task)

    thread = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        task = started.result()
        task.get_loop().call_soon_threadsafe(task.cancel)
        await asyncio.wait({thread})
        raise
