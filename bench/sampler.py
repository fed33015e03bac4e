"""`python -m bench.sampler OUT MODULE`: run a module and sample which code uses the CPU.

A timer of the process's CPU time (`ITIMER_PROF`) interrupts it every few milliseconds; the sampler then counts the
stack of the thread that is not waiting. cProfile does not work here: it loses track when SQLAlchemy switches
greenlets, and since Python 3.12 it mixes up threads.

SIGUSR1 starts sampling; a second SIGUSR1 stops it and writes the samples to OUT.
"""

import json
import runpy
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import greenlet  # type: ignore[import-untyped]

Site = tuple[str, str]
"""File and function."""
Stack = tuple[Site, ...]
"""From the innermost function outwards; empty for native code."""

_INTERVAL_SECONDS = 0.001  # the kernel rounds it up to 4 ms if its clock has 250 ticks per second
_SWITCH_SECONDS = 0.0005  # how long another thread may hold the interpreter lock when a sample is due
_WAITING = frozenset(
    {
        ("runners.py", "Runner.run"),  # in the event loop's native code
        ("thread.py", "_worker"),
        ("threading.py", "Condition.wait"),
        ("threading.py", "Event.wait"),
        ("threading.py", "Thread._wait_for_tstate_lock"),
    }
)


class Sampler:
    """Counts the sampled stacks."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._stacks: Counter[Stack] = Counter()
        self._main = threading.get_ident()
        self._since: dict[str, float] | None = None

    def toggle(self, *_: object) -> None:
        """Start sampling; the second call stops it and writes the samples."""
        if self._since is None:
            self._since = self._clocks()
            sys.setswitchinterval(_SWITCH_SECONDS)
            signal.setitimer(signal.ITIMER_PROF, _INTERVAL_SECONDS, _INTERVAL_SECONDS)
        else:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._write(self._since, self._clocks())

    def sample(self, _number: int, frame: FrameType | None) -> None:
        """Count the running stack: the main thread's or, if that thread waits, another thread's."""
        stack = _whole_stack(frame)
        if _is_waiting(stack):
            stack = next(filter(_is_running, self._other_stacks()), ())
        self._stacks[stack] += 1

    def _other_stacks(self) -> list[Stack]:
        return [_stack(frame) for ident, frame in sys._current_frames().items() if ident != self._main]

    def _clocks(self) -> dict[str, float]:
        """CPU seconds of the whole process and of its Python threads."""
        idents = [thread.ident for thread in threading.enumerate() if thread.ident]
        threads = sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in idents)
        return {"process": time.process_time(), "python": threads}

    def _write(self, before: dict[str, float], after: dict[str, float]) -> None:
        found: dict[str, Any] = {f"{name}_seconds": after[name] - before[name] for name in before}
        found["stacks"] = [{"samples": count, "stack": stack} for stack, count in self._stacks.items()]
        unfinished = self._out.with_suffix(".new")
        unfinished.write_text(json.dumps(found))
        unfinished.replace(self._out)


def _whole_stack(frame: FrameType | None) -> Stack:
    """The main thread's stack: SQLAlchemy runs in greenlets, and their parents hold the outer part."""
    stack = _stack(frame)
    parent = greenlet.getcurrent().parent
    while parent is not None:
        stack += _stack(parent.gr_frame)
        parent = parent.parent
    return stack


def _stack(frame: FrameType | None) -> Stack:
    sites = []
    while frame is not None:
        code = frame.f_code
        sites.append((code.co_filename, code.co_qualname))
        frame = frame.f_back
    return tuple(sites)


def _is_waiting(stack: Stack) -> bool:
    file, function = stack[0]
    return (Path(file).name, function) in _WAITING


def _is_running(stack: Stack) -> bool:
    return not _is_waiting(stack)


def main() -> None:
    """Run the module as `python -m` does."""
    out, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    sampler = Sampler(out)
    signal.signal(signal.SIGPROF, sampler.sample)
    signal.signal(signal.SIGUSR1, sampler.toggle)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
