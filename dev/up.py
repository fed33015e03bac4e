"""`python -m dev up`: run the stack in the foreground until Ctrl-C."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console

from dev.reporter import ConsoleReporter
from dev.settings import DevSettings
from dev.stack import Stack
from dev.welcome import welcome

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(settings: DevSettings, *, demo_data: bool) -> None:
    """Run the stack until a signal stops it.

    Raises:
        DevError: it does not start, or a process was given up.
    """
    stack = Stack(settings, reporter=ConsoleReporter(Console()), demo_data=demo_data, vendors=True, grpc=True)
    run = asyncio.create_task(_run(stack))
    with _stopped_by_signals(run, stack):
        await asyncio.wait({run})
    if not run.cancelled():
        run.result()


async def _run(stack: Stack) -> None:
    async with stack:
        print(welcome(stack.settings, datetime.now(UTC)), flush=True)
        raise await stack.failed()


@contextmanager
def _stopped_by_signals(run: asyncio.Task[None], stack: Stack) -> Iterator[None]:
    """The first signal stops the stack in order; further signals make it stop faster."""
    stopping = False

    def on_signal() -> None:
        nonlocal stopping
        if stopping:
            stack.stop_faster()
        else:
            stopping = True
            run.cancel()

    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
