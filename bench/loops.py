"""Two event loops: the stack is run by asyncio's, the load comes from a faster one in a thread of its own.

uvloop halves what the client costs, but cannot start a process under another account, as PostgreSQL needs it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


async def on_fast_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work` to its end on a uvloop in another thread; cancelling this cancels that."""
    under_way: Future[asyncio.Task[T]] = Future()

    def run() -> T:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            loop = runner.get_loop()
            task = loop.create_task(work())
            under_way.set_result(task)
            return loop.run_until_complete(task)

    thread = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        task = under_way.result()
        task.get_loop().call_soon_threadsafe(task.cancel)
        await asyncio.wait({thread})
        raise
