"""Processes left running by a supervisor that was killed."""

import asyncio
import contextlib
import signal
from pathlib import Path

import psutil

from dev.run_state import RecordedProcess, RunState

_PAUSE_SECONDS = 0.05


async def stop_orphans(record: Path) -> list[str]:
    """Stop the recorded processes that still run, in reverse order of their start; returns their names.

    The caller must hold the home's lock: the children of a running stack are not orphans.
    """
    state = RunState.read(record)
    ended = []
    for process in reversed(state.processes if state else []):
        if process.find():
            await _end(process)
            ended.append(process.name)
    RunState.remove(record)
    return ended


async def _end(process: RecordedProcess) -> None:
    for number in (process.stop_signal, signal.SIGKILL):
        if found := process.find():
            with contextlib.suppress(psutil.NoSuchProcess):
                found.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_gone(process), process.stop_seconds)


async def _gone(process: RecordedProcess) -> None:
    # Not psutil's wait: it does not return for a zombie without a parent that reaps it, as in a minimal container.
    while process.find():  # noqa: ASYNC110  # not our child: there is no event to wait for
        await asyncio.sleep(_PAUSE_SECONDS)
