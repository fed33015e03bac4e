"""Progress messages of the stack."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Reporter(Protocol):
    """Receives progress messages."""

    def step(self, title: str) -> AbstractContextManager[None]:
        """A step that lasts as long as the context is open."""

    def note(self, text: str) -> None:
        """A single event."""


class NullReporter:
    """Reports nothing: for tests and benchmarks."""

    def step(self, title: str) -> AbstractContextManager[None]:
        return nullcontext()

    def note(self, text: str) -> None:
        """Ignore the event."""


class ConsoleReporter:
    """Prints one line per finished step with its duration; on a terminal, a spinner for the current step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        started = time.monotonic()
        with self._spinner(title):
            yield
        self._line(f"{title:<44} {time.monotonic() - started:5.1f} s")

    @contextmanager
    def _spinner(self, title: str) -> Iterator[None]:
        """Show a spinner during the step, and leave the terminal unchanged otherwise."""
        if not self._progress.tasks:
            self._progress.start()
        task = self._progress.add_task(title)
        try:
            yield
        finally:
            self._progress.remove_task(task)
            if not self._progress.tasks:
                self._progress.stop()

    def note(self, text: str) -> None:
        self._line(f"{time.strftime('%H:%M:%S')} {text}")

    def _line(self, text: str) -> None:
        self._console.print(f"  {text}", highlight=False, markup=False, soft_wrap=True)
