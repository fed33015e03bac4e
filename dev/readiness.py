"""Waiting until a process answers, without waiting for one that is gone."""

import asyncio
from collections.abc import Awaitable, Callable

from dev.errors import NotReadyError, ProcessDiedError
from dev.process import ManagedProcess

Probe = Callable[[], Awaitable[bool]]

_PAUSE_SECONDS = 0.05


async def until_ready(process: ManagedProcess, probe: Probe, *, timeout_seconds: float) -> None:
    """Return once `probe` says yes.

    Raises:
        ProcessDiedError: the process ended first; the detail is what it logged.
        NotReadyError: it still runs but did not answer within `timeout_seconds`.
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
    """The error of a process that ended by itself, with the last line it logged."""
    tail = process.log.tail()
    last = next((line for line in reversed(tail.splitlines()) if line.strip()), "it logged nothing")
    return ProcessDiedError(
        f"{process.name} ended with {describe_exit(exit_code)}: {last.strip()} (log: {process.log.path})",
        detail=tail,
        exit_code=exit_code,
    )


def describe_exit(exit_code: int) -> str:
    """An exit code in words: negative ones are signals, as the standard library counts them."""
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


async def _poll(probe: Probe) -> None:
    while not await probe():  # noqa: ASYNC110  # another process: it cannot set an event
        await asyncio.sleep(_PAUSE_SECONDS)
