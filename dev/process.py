"""A child process: start, record, stop, and its log file."""

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

_MAX_LOG_BYTES = 10 * 1024 * 1024
_TAIL_BYTES = 64 * 1024


class LogFile:
    """A log file that all runs append to; `tail` shows only lines since the last `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open(self) -> BinaryIO:
        """Open the file for a child process; a file over 10 MiB is renamed to `NAME.log.1` first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size > _MAX_LOG_BYTES:
            self.path.replace(self.path.with_suffix(".log.1"))
        log = self.path.open("ab")
        self._start = log.tell()
        return log

    def tail(self, lines: int = 15) -> str:
        """The last `lines` lines since the last start."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(self._start, size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


# The child waits until it is recorded before it executes the program. If its supervisor is killed in between, it
# reads the end of the file and exits: every running program is known to the next start.
_WAIT_UNTIL_RECORDED = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate")


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run, and how to stop it."""

    name: str
    argv: tuple[str, ...]
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    directory: Path | None = None
    user: PopenOptions = field(default_factory=lambda: CURRENT_USER)
    """`subprocess` options that run it as another user."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    """Time to end after `stop_signal`; then it gets `force_signal`."""
    force_signal: signal.Signals = signal.SIGKILL


class Journal(Protocol):
    """Records the running processes, for the next start after a crash of their supervisor."""

    def started(self, command: Command, pid: int) -> None: ...

    def ended(self, name: str) -> None: ...


class ManagedProcess:
    """A child process that can be restarted.

    It has its own session, so that Ctrl-C in the terminal reaches only the supervisor, which then stops its
    children in order.
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
        """The process id; None if it does not run."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    async def start(self) -> None:
        """Start the process; returns when it is recorded.

        Raises:
            DevError: its log file or folder cannot be opened.
        """
        assert not self.running, f"{self.name} runs already"
        spawning = asyncio.create_task(self._spawn())
        try:
            await asyncio.shield(spawning)
        except asyncio.CancelledError:
            await spawning  # never leave an unknown child behind
            raise

    async def _spawn(self) -> None:
        try:
            with self.log.open() as log:
                self._process = await self._execute(log)
        except OSError as error:
            raise DevError(f"{self.name} cannot be run: {error.strerror}: {error.filename}") from error
        if self._journal:
            self._journal.started(self.command, self._process.pid)
        self._let_run(self._process)

    @staticmethod
    def _let_run(process: Process) -> None:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.close()

    async def _execute(self, log: BinaryIO) -> Process:
        command = self.command
        return await asyncio.create_subprocess_exec(
            *_WAIT_UNTIL_RECORDED,
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
        """Wait for its end; returns the exit code, negative for a signal."""
        assert self._process, f"{self.name} was never started"
        code = await self._process.wait()
        if self._journal:
            self._journal.ended(self.name)
        return code

    async def stop(self) -> None:
        """Stop it with `stop_signal`, then by force; returns when it has ended."""
        if self.running:
            self.send_signal(self.command.stop_signal)
            try:
                await asyncio.wait_for(self.wait(), self.command.stop_seconds)
            except TimeoutError:
                await self._force()

    async def _force(self) -> None:
        self.stop_faster()
        try:
            await asyncio.wait_for(self.wait(), self.command.stop_seconds)
        except TimeoutError:
            await self.kill()

    def stop_faster(self) -> None:
        """Send `force_signal` for the fastest safe stop; a pending `stop` or `wait` returns sooner."""
        self.send_signal(self.command.force_signal)

    async def kill(self) -> None:
        """Kill it with SIGKILL; returns when it has ended."""
        self.send_signal(signal.SIGKILL)
        await self.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; ignored if the process has ended."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
