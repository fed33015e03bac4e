"""`python -m bench.sampler OUT MODULE`: run a module and sample which code uses the CPU.

A timer of the process's own CPU time interrupts it every few milliseconds (`ITIMER_PROF`; waiting costs nothing),
and the stack of whichever thread is not waiting is counted. Sampling, not cProfile: that one loses its place where
SQLAlchemy switches greenlets, and from Python 3.12 on it mixes up threads.

SIGUSR1 begins to sample; a second one ends it and writes what was found to OUT.
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
"""From the innermost function outwards; empty for code that is not Python's."""

_INTERVAL_SECONDS = 0.001  # the kernel makes 4 ms of it where its clock ticks 250 times a second
_SWITCH_SECONDS = 0.0005  # how long another thread may keep the interpreter while a sample is due
_WAITING = frozenset(
    {
        ("runners.py", "Runner.run"),  # in the event loop's own code
        ("thread.py", "_worker"),
        ("threading.py", "Condition.wait"),
        ("threading.py", "Event.wait"),
        ("threading.py", "Thread._wait_for_tstate_lock"),
    }
)


class Sampler:
    """Counts stacks while it is on."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._stacks: Counter[Stack] = Counter()
        self._main = threading.get_ident()
        self._since: dict[str, float] | None = None

    def toggle(self, *_: object) -> None:
        """Begin; at the second call end and write."""
        if self._since is None:
            self._since = self._clocks()
            sys.setswitchinterval(_SWITCH_SECONDS)
            signal.setitimer(signal.ITIMER_PROF, _INTERVAL_SECONDS, _INTERVAL_SECONDS)
        else:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._write(self._since, self._clocks())

    def sample(self, _number: int, frame: FrameType | None) -> None:
        """Count the stack that runs: the main thread's or, if that one waits, another's."""
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
    """The main thread's stack: SQLAlchemy runs in greenlets, whose parents hold the rest of it."""
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
    """Run the module as `python -m` would."""
    out, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    sampler = Sampler(out)
    signal.signal(signal.SIGPROF, sampler.sample)
    signal.signal(signal.SIGUSR1, sampler.toggle)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
