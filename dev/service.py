"""A child process with a readiness check."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from dev.errors import NotReadyError, ProcessDiedError
from dev.process import ManagedProcess


class Service(ABC):
    """A child process that counts as started when its readiness check succeeds."""

    ready_seconds: float = 60.0

    def __init__(self, process: ManagedProcess) -> None:
        self.process = process

    @property
    def name(self) -> str:
        return self.process.name

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether it is ready; raises only for errors that waiting cannot fix."""

    async def start(self) -> None:
        """Start the process and wait until it is ready; on failure the process is stopped.

        Raises:
            DevError: it ended or did not become ready in time.
        """
        await self.process.start()
        try:
            await until_ready(self.process, self.is_ready, timeout_seconds=self.ready_seconds)
        except BaseException:
            await self.process.stop()
            raise

    async def stop(self) -> None:
        """Stop the process; returns when it has ended."""
        await self.process.stop()

    async def kill(self) -> None:
        """Kill the process with SIGKILL, like a crash; returns when it has ended."""
        await self.process.kill()


Probe = Callable[[], Awaitable[bool]]

_PAUSE_SECONDS = 0.05


async def until_ready(process: ManagedProcess, probe: Probe, *, timeout_seconds: float) -> None:
    """Wait until `probe` returns true.

    Raises:
        ProcessDiedError: the process ended first; the detail is its log.
        NotReadyError: it runs but is not ready after `timeout_seconds`.
    """
    death = asyncio.create_task(process.wait())
    answer = asyncio.create_task(_poll(probe))
    try:
        await asyncio.wait({death, answer}, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        if death.done():
            raise died(process, death.result())
        raise NotReadyError(
            f"{process.name} does not answer after {timeout_seconds:.0f} s: see {process.log.path}",
            detail=process.log.tail(),
        )
    finally:
        death.cancel()
        answer.cancel()


def died(process: ManagedProcess, exit_code: int) -> ProcessDiedError:
    """The error for a process that has ended, with the last line of its log."""
    tail = process.log.tail()
    last = next((line for line in reversed(tail.splitlines()) if line.strip()), "it logged nothing")
    return ProcessDiedError(
        f"{process.name} ended with {describe_exit(exit_code)}: {last.strip()} (log: {process.log.path})",
        detail=tail,
        exit_code=exit_code,
    )


def describe_exit(exit_code: int) -> str:
    """An exit code in words; negative codes are signals."""
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


async def _poll(probe: Probe) -> None:
    while not await probe():  # noqa: ASYNC110  # another process: there is no event to wait for
        await asyncio.sleep(_PAUSE_SECONDS)
