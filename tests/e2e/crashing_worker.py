"""Workers that kill themselves: once right before, and once right after, each new step of a booking is committed.

They are the real worker; an interceptor around its activities pulls the trigger. `CRASH_DIR` remembers which
triggers have been pulled, over all their lives. Two run at a time: while one comes back to life, the other takes
over. Each life is a process of its own, forked off one that has imported everything and connected to nothing.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, NoReturn

from temporalio.client import Client, Interceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from domain.steps import Step
from runtime import temporal
from runtime.settings import settings
from worker.main import running_worker

_LIVES_AT_ONCE = 2


class _Trigger(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        step = next((argument for argument in input.args if isinstance(argument, Step)), None)
        if step is not None:
            _pull_once(f"{step.after.booking_id}-{step.after.version}-before")
        result = await super().execute_activity(input)
        if step is not None:
            _pull_once(f"{step.after.booking_id}-{step.after.version}-after")
        return result


def _pull_once(name: str) -> None:
    marker = Path(os.environ["CRASH_DIR"]) / name
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class _Crashing(Interceptor, WorkerInterceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Trigger(next)


async def _live() -> None:
    config = (await temporal.connect()).config()
    config["interceptors"] = [_Crashing()]
    async with running_worker(Client(**config), settings()):
        await asyncio.Event().wait()


def _begin_a_life() -> None:
    if os.fork() == 0:
        try:
            asyncio.run(_live())
        finally:
            os._exit(1)


def _main() -> NoReturn:
    """Replace whoever dies, until the whole process group is killed."""
    for _ in range(_LIVES_AT_ONCE):
        _begin_a_life()
    while True:
        os.wait()
        _begin_a_life()


if __name__ == "__main__":
    _main()
