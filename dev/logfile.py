"""The log file that a child process writes to."""

from pathlib import Path
from typing import BinaryIO

_KEEP_BYTES = 10 * 1024 * 1024
_TAIL_BYTES = 64 * 1024


class LogFile:
    """Appended to across runs; `tail` shows only what came since the last `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def open(self) -> BinaryIO:
        """Open for a child to write to; one that has grown past 10 MiB is set aside as `NAME.log.1` first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size > _KEEP_BYTES:
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
