"""Children whose supervisor was killed."""

import asyncio
import contextlib
import signal
from pathlib import Path

import psutil

from dev.run_state import RecordedProcess, RunState

_PAUSE_SECONDS = 0.05


async def end_orphans(record: Path) -> list[str]:
    """End the recorded processes that still run, last started first, and nothing else; their names.

    Only call it while holding the home's lock: a running stack's children are no orphans.
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
    # Not psutil's own wait: it does not return for a zombie that nobody collects, as in a bare container.
    while process.find():  # noqa: ASYNC110  # not our child: nothing tells us
        await asyncio.sleep(_PAUSE_SECONDS)
