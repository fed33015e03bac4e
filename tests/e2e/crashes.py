"""Workers that kill themselves, in place of the stack's own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from dev.stack import Stack


@asynccontextmanager
async def crashing_worker(stack: Stack, crashes: Path, on: Literal["steps", "effects"]) -> AsyncIterator[None]:
    """In place of the stack's worker: one that dies at every seam, started again each time."""
    environment = stack.environment | {
        "CRASH_DIR": str(crashes),
        "CRASH_ON": on,
        "HOLDFAST_WORKER_GRACEFUL_SECONDS": "0",
        "HOLDFAST_EFFECT_HEARTBEAT_SECONDS": "2",
        "HOLDFAST_EFFECT_LEASE_SECONDS": "2",
    }
    command = (sys.executable, "-m", "tests.e2e.crashing_worker")
    await stack.stop_process("worker")
    lives = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(lives.pid, signal.SIGKILL)
        await lives.wait()
        await stack.start_process("worker")
