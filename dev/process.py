"""One child process: spawned once, recorded, ended politely or not."""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from dev.accounts import CURRENT_USER, PopenOptions
from dev.errors import DevError
from dev.logfile import LogFile

# The child waits to be recorded before it becomes the program. When its supervisor is killed in between,
# it reads the end of the file and ends: no process ever runs that the next start does not know of.
_GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate")


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and how it wants to be ended."""

    name: str
    argv: tuple[str, ...]
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    directory: Path | None = None
    user: PopenOptions = field(default_factory=lambda: CURRENT_USER)
    """What makes `subprocess` run it as somebody else."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    """How long it may take to end after `stop_signal`; then it gets `force_signal`."""
    force_signal: signal.Signals = signal.SIGKILL


class Journal(Protocol):
    """Remembers which processes run, for the start after a crash of their supervisor."""

    def started(self, command: Command, pid: int) -> None: ...

    def ended(self, name: str) -> None: ...


class ManagedProcess:
    """A child that can be started again after it ended.

    It gets a session of its own, so that Ctrl-C in the terminal reaches the supervisor alone, which then
    ends its children in order.
    """

    def __init__(self, command: Command, journal: Journal | None = None) -> None:
        self.command = command
        self.log = LogFile(command.log_path)
        self._journal = journal
        self._process: Process | None = None

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    async def start(self) -> None:
        """Spawn it; returns as soon as it exists and is recorded.

        Raises:
            DevError: its log file or folder cannot be opened.
        """
        assert not self.running, f"{self.name} runs already"
        spawning = asyncio.create_task(self._spawn())
        try:
            await asyncio.shield(spawning)
        except asyncio.CancelledError:
            await spawning  # never leave a child behind that nobody knows of
            raise

    async def _spawn(self) -> None:
        try:
            with self.log.open() as log:
                self._process = await self._execute(log)
        except OSError as error:
            raise DevError(f"{self.name} cannot be run: {error.strerror}: {error.filename}") from error
        if self._journal:
            self._journal.started(self.command, self._process.pid)
        self._open_gate(self._process)

    @staticmethod
    def _open_gate(process: Process) -> None:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.close()

    async def _execute(self, log: BinaryIO) -> Process:
        command = self.command
        return await asyncio.create_subprocess_exec(
            *_GATE,
            *command.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=dict(command.environment),
            cwd=command.directory,
            start_new_session=True,
            **command.user,
        )

    async def wait(self) -> int:
        """Wait for the end; the exit code, negative for a signal."""
        assert self._process, f"{self.name} was never started"
        code = await self._process.wait()
        if self._journal:
            self._journal.ended(self.name)
        return code

    async def stop(self) -> None:
        """End it politely, then by force; returns when it is gone."""
        if self.running:
            self.send_signal(self.command.stop_signal)
            try:
                await asyncio.wait_for(self.wait(), self.command.stop_seconds)
            except TimeoutError:
                await self._force()

    async def _force(self) -> None:
        self.hurry()
        try:
            await asyncio.wait_for(self.wait(), self.command.stop_seconds)
        except TimeoutError:
            await self.kill()

    def hurry(self) -> None:
        """Ask for the quickest end that is safe; whoever awaits `stop` or `wait` sees it sooner."""
        self.send_signal(self.command.force_signal)

    async def kill(self) -> None:
        """End it with SIGKILL; returns when it is gone."""
        self.send_signal(signal.SIGKILL)
        await self.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process is gone."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
