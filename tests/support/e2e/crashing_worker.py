"""Workers that kill themselves once at each crash point of a booking's steps or effects.

A step has two crash points: before and after its commit. An effect has three: before the vendor's call, after it,
and after the result is recorded. The real worker runs; an interceptor of its activities and a wrapper of the
effects' completion cause the crashes. `CRASH_ON` selects `steps` or `effects`; `CRASH_DIR` stores which crash
points have been reached, across all processes. Several workers run at the same time: while one restarts, the
others take over. Each is forked from a process that has imported everything and has no connections.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn
from uuid import UUID

from temporalio import activity
from temporalio.client import Client, Interceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from db.repositories import effect_attempts
from dev.stack import Stack
from domain.effects import EffectRef, EffectState
from domain.steps import Step
from runtime import temporal
from runtime.settings import settings
from worker.main import running_worker

_WORKERS = 4


@asynccontextmanager
async def crashing_worker(stack: Stack, crashes: Path, on: Literal["steps", "effects"]) -> AsyncIterator[None]:
    """Replace the stack's worker by workers that crash once at every crash point and are restarted."""
    environment = stack.environment | {
        "CRASH_DIR": str(crashes),
        "CRASH_ON": on,
        "HOLDFAST_WORKER_GRACEFUL_SECONDS": "0",
        "HOLDFAST_EFFECT_HEARTBEAT_SECONDS": "2",
        "HOLDFAST_EFFECT_LEASE_SECONDS": "2",
    }
    command = (sys.executable, "-m", "tests.support.e2e.crashing_worker")
    await stack.stop_process("worker")
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await stack.start_process("worker")


class _CrashPoints(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        name = _name_of(input)
        if name is not None:
            _crash_once(f"{name}-before")
        result = await super().execute_activity(input)
        if name is not None:
            _crash_once(f"{name}-after")
        return result


def _name_of(input: ExecuteActivityInput) -> str | None:
    """The name of a step, or of the first effect of its kind and vendor; None if it has no crash points."""
    crashing = {"steps": Step, "effects": EffectRef}[os.environ["CRASH_ON"]]
    found = next((argument for argument in input.args if isinstance(argument, crashing)), None)
    if isinstance(found, Step):
        return f"{found.after.booking_id}-{found.after.version}"
    return None if found is None else _effect_name()


def _effect_name() -> str:
    info = activity.info()
    return f"{info.task_queue.rpartition('-')[2]}-{info.activity_type}"


def _crash_after_vendor_call() -> None:
    """Add a crash point between the vendor's answer and the record of it."""
    finish = effect_attempts.finish

    async def finish_or_die(conn: Any, business_id: UUID, ref: Any, state: EffectState, **rest: Any) -> bool:
        if state is EffectState.DONE:
            _crash_once(f"{_effect_name()}-applied")
        return await finish(conn, business_id, ref, state, **rest)

    effect_attempts.finish = finish_or_die


def _crash_once(name: str) -> None:
    marker = Path(os.environ["CRASH_DIR"]) / name
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class _Crashing(Interceptor, WorkerInterceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _CrashPoints(next)


async def _run_worker() -> None:
    if os.environ["CRASH_ON"] == "effects":
        _crash_after_vendor_call()
    config = (await temporal.connect()).config()
    config["interceptors"] = [_Crashing()]
    async with running_worker(Client(**config), settings()):
        await asyncio.Event().wait()


def _fork_worker() -> None:
    if os.fork() == 0:
        try:
            asyncio.run(_run_worker())
        finally:
            os._exit(1)


def _main() -> NoReturn:
    """Replace dead workers until the process group is killed."""
    for _ in range(_WORKERS):
        _fork_worker()
    while True:
        os.wait()
        _fork_worker()


if __name__ == "__main__":
    _main()
