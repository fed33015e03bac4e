"""The record of the running processes, so that the start after a crash can find them."""

import os
import signal
from pathlib import Path
from typing import Self

import psutil
from pydantic import BaseModel, ValidationError

from dev.process import Command

# The kernel counts a process's start time from boot, and the boot time changes when the clock is set.
_CLOCK_TOLERANCE_SECONDS = 2.0


class RecordedProcess(BaseModel):
    """A child process, identified even if another process has got its id."""

    name: str
    pid: int
    create_time: float
    """Seconds since the epoch."""
    stop_signal: signal.Signals
    stop_seconds: float

    def find(self) -> psutil.Process | None:
        """The recorded process; None if it has ended."""
        try:
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.create_time) < _CLOCK_TOLERANCE_SECONDS
            return found if same and found.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


class RunState(BaseModel):
    """The content of `run.json` while a stack runs."""

    pid: int
    urls: dict[str, str] = {}
    processes: list[RecordedProcess] = []

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The recorded state; None if there is none or it cannot be read."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None

    @staticmethod
    def remove(path: Path) -> None:
        """Remove the record: no process runs any more."""
        path.unlink(missing_ok=True)

    def write(self, path: Path) -> None:
        """Replace the record atomically, readable only for its owner."""
        unfinished = path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(self.model_dump_json(indent=2))
        unfinished.replace(path)


class RunJournal:
    """Updates `run.json` when processes start and end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = RunState(pid=os.getpid())
        self._state.write(path)

    def record_urls(self, urls: dict[str, str]) -> None:
        """Record the addresses of the stack's servers."""
        self._state.urls = urls
        self._state.write(self._path)

    def started(self, command: Command, pid: int) -> None:
        """Record a child process that has just started."""
        try:
            create_time = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return  # it has ended already
        self._forget(command.name)
        self._state.processes.append(
            RecordedProcess(
                name=command.name,
                pid=pid,
                create_time=create_time,
                stop_signal=command.stop_signal,
                stop_seconds=command.stop_seconds,
            )
        )
        self._state.write(self._path)

    def ended(self, name: str) -> None:
        """Remove a child process that has ended."""
        self._forget(name)
        self._state.write(self._path)

    def close(self) -> None:
        """Remove the record: no process runs any more."""
        RunState.remove(self._path)

    def _forget(self, name: str) -> None:
        self._state.processes = [known for known in self._state.processes if known.name != name]
