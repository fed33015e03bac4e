"""Workers that kill themselves: at each seam of a booking's steps, or of its effects, once.

A step has two seams, before and after its commit. An effect has three: before anything is done, after the vendor
has done it, and after that is written down. They are the real worker; what pulls the trigger is wrapped around its
activities and around the end of an effect. `CRASH_ON` says whether `steps` or `effects` are deadly, `CRASH_DIR`
remembers which triggers have been pulled, over all their lives. Some run at a time: while one comes back to life,
the others take over. Each life is a process of its own, forked off one that has imported everything and connected
to nothing.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

from temporalio import activity
from temporalio.client import Client, Interceptor
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput
from temporalio.worker import Interceptor as WorkerInterceptor

from db.repositories import effect_attempts
from domain.effects import EffectRef, EffectState
from domain.steps import Step
from runtime import temporal
from runtime.settings import settings
from worker.main import running_worker

_LIVES_AT_ONCE = 4


class _Trigger(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        name = _name_of(input)
        if name is not None:
            _pull_once(f"{name}-before")
        result = await super().execute_activity(input)
        if name is not None:
            _pull_once(f"{name}-after")
        return result


def _name_of(input: ExecuteActivityInput) -> str | None:
    """What is carried out: one step, or the first effect of its kind at its vendor; none: it is not deadly."""
    deadly = {"steps": Step, "effects": EffectRef}[os.environ["CRASH_ON"]]
    found = next((argument for argument in input.args if isinstance(argument, deadly)), None)
    if isinstance(found, Step):
        return f"{found.after.booking_id}-{found.after.version}"
    return None if found is None else _effect_name()


def _effect_name() -> str:
    info = activity.info()
    return f"{info.task_queue.rpartition('-')[2]}-{info.activity_type}"


def _let_die_when_applied() -> None:
    """Pull the trigger between the vendor's answer and our own note of it."""
    finish = effect_attempts.finish

    async def finish_or_die(conn: Any, business_id: UUID, ref: Any, state: EffectState, **rest: Any) -> bool:
        if state is EffectState.DONE:
            _pull_once(f"{_effect_name()}-applied")
        return await finish(conn, business_id, ref, state, **rest)

    effect_attempts.finish = finish_or_die


def _pull_once(name: str) -> None:
    marker = Path(os.environ["CRASH_DIR"]) / name
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


class _Crashing(Interceptor, WorkerInterceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Trigger(next)


async def _live() -> None:
    if os.environ["CRASH_ON"] == "effects":
        _let_die_when_applied()
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
