"""The commands `status`, `stop`, `psql` and `reset`."""

import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import psutil

from dev.errors import DevError
from dev.home import Home
from dev.orphans import stop_orphans
from dev.postgres_binaries import binary
from dev.run_state import RunState
from dev.settings import DevSettings

_STOP_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


def status(settings: DevSettings) -> bool:
    """Print the running processes with ids and addresses; returns whether a stack runs."""
    home = Home(settings.home)
    state = home.running()
    if not state:
        print(f"no stack runs in {home.path}")
        return False
    print(f"stack in {home.path} (pid {state.pid})")
    for process in state.processes:
        print(f"  {process.name:<12} {_condition(process.find())}")
    for name, url in state.urls.items():
        print(f"  {name:<12} {url}")
    return True


def _condition(process: psutil.Process | None) -> str:
    if process is None:
        return "down"
    return f"pid {process.pid}, {process.memory_info().rss / 2**20:.0f} MiB"


def psql(settings: DevSettings, arguments: list[str]) -> NoReturn:
    """Replace this process by `psql` on the stack's database.

    Raises:
        DevError: no stack runs, or the program is missing.
    """
    url = settings.owner_database_url or _require_running(settings).urls["database"]
    program = binary("psql")
    arguments = arguments[1:] if arguments[:1] == ["--"] else arguments
    os.execv(program, [str(program), url.replace("+asyncpg", "", 1), *arguments])  # noqa: S606


def stop(settings: DevSettings) -> None:
    """Stop the running stack as Ctrl-C does, and wait until it has ended.

    Raises:
        DevError: no stack runs, or it does not end within a minute.
    """
    state = _require_running(settings)
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while Home(settings.home).running():
        if time.monotonic() > deadline:
            raise DevError(f"the stack (pid {state.pid}) still runs after {_STOP_SECONDS:.0f} s")
        time.sleep(_PAUSE_SECONDS)


async def reset(settings: DevSettings, *, confirmed: bool) -> None:
    """Delete the data of a stopped stack.

    Raises:
        DevError: the stack runs, or the user did not confirm.
    """
    home = Home(settings.home)
    if not home.path.exists():
        raise DevError(f"{home.path} does not exist: there is nothing to delete")
    with home.locked():
        if not confirmed and not _confirm(home.path):
            raise DevError("nothing was deleted")
        await stop_orphans(home.run_state)
        home.delete_data()
    print(f"deleted the data in {home.path}")


def _confirm(path: Path) -> bool:
    try:
        return input(f"Delete all bookings, keys and logs in {path}? [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        return False


def _require_running(settings: DevSettings) -> RunState:
    home = Home(settings.home)
    if state := home.running():
        return state
    raise DevError(f"no stack runs in {home.path}: start one with `make run`")
