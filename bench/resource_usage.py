"""CPU time and memory of a process and its children."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage up to one point in time."""

    cpu_seconds: float
    """User and system time since the start, including children that have ended."""
    memory_bytes: int
    """Resident memory; on Linux without the part shared with other processes."""

    @classmethod
    def sum(cls, parts: Iterable["Usage"]) -> Self:
        known = list(parts)
        return cls(sum(part.cpu_seconds for part in known), sum(part.memory_bytes for part in known))


def usage_of(pid: int) -> Usage:
    """The usage of a process and its children."""
    process = psutil.Process(pid)
    parts = [_usage(process)]
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a backend that has just ended counts for its parent
            parts.append(_usage(child))
    return Usage.sum(parts)


def usage_of_this_process() -> Usage:
    """The usage of the benchmark process, including ended children but not running ones."""
    return _usage(psutil.Process(os.getpid()))


def _usage(process: psutil.Process) -> Usage:
    times = process.cpu_times()
    cpu = times.user + times.system + times.children_user + times.children_system
    return Usage(cpu, _memory(process))


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)


def cpu_between(before: dict[str, Usage], after: dict[str, Usage]) -> dict[str, float]:
    """CPU seconds by process name."""
    return {name: after[name].cpu_seconds - before[name].cpu_seconds for name in before}
