"""A small file system for PostgreSQL's data, if the machine allows it."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from dev.accounts import postgres_account
from dev.postgres_data import DataFolder

_MEGABYTES: Final = 400


def can_mount() -> bool:
    """Whether a file system in memory can be mounted."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None


@asynccontextmanager
async def small_disk(home: Path) -> AsyncIterator[None]:
    """Create the cluster in `home`/postgres on a separate file system."""
    account = postgres_account()
    data, seed = home / "postgres", home / "postgres.seed"
    await DataFolder(data, account).prepare()
    data.rename(seed)
    data.mkdir(mode=0o700)
    await _run("mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=0700", "tmpfs", str(data))
    try:
        await _run("cp", "-a", f"{seed}/.", str(data))
        shutil.rmtree(seed)
        yield
    finally:
        await _run("umount", "-l", str(data))


async def _run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
