"""`python -m bench.sampler OUT MODULE`: run a module and sample on which code its threads spend their CPU time.

Each thread has a CPU clock of its own (Linux). What a clock has advanced since the last sample is charged to the
stack that its thread is in now, so that waiting costs nothing and any Python version, with any number of threads,
tells the same. What no Python thread has used (Temporal's core and other native threads) is the rest.

SIGUSR1 begins to sample, a second one ends it and writes what was found to OUT.
"""

import contextlib
import json
import runpy
import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import FrameType

Site = tuple[str, str]
"""File and function."""

_INTERVAL_SECONDS = 0.002
_SWITCH_SECONDS = 0.0002  # how long others may keep the interpreter while the sampler wants it


class Sampler:
    """Adds up CPU seconds by stack."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._clocks: dict[int, float] = {}
        self._stacks: defaultdict[tuple[Site, ...], float] = defaultdict(float)

    def toggle(self, *_: object) -> None:
        """Begin; at the second call end and write."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
            self._thread.start()
        else:
            self._stop.set()

    def _run(self) -> None:
        sys.setswitchinterval(_SWITCH_SECONDS)
        own, process = time.thread_time(), time.process_time()
        self._look()
        self._stacks.clear()
        while not self._stop.wait(_INTERVAL_SECONDS):
            self._look()
        own, process = time.thread_time() - own, time.process_time() - process
        self._write(process - own)

    def _look(self) -> None:
        me = threading.get_ident()
        for ident, frame in sys._current_frames().items():
            if ident != me:
                self._charge(ident, frame)

    def _charge(self, ident: int, frame: FrameType) -> None:
        with contextlib.suppress(OSError, ProcessLookupError):  # it has just ended
            now = time.clock_gettime(time.pthread_getcpuclockid(ident))
            used = now - self._clocks.get(ident, now)
            self._clocks[ident] = now
            if used > 0:
                self._stacks[_stack(frame)] += used

    def _write(self, process_seconds: float) -> None:
        stacks = [{"seconds": seconds, "stack": stack} for stack, seconds in self._stacks.items()]
        unfinished = self._out.with_suffix(".new")
        unfinished.write_text(json.dumps({"process_seconds": process_seconds, "stacks": stacks}))
        unfinished.replace(self._out)


def _stack(frame: FrameType | None) -> tuple[Site, ...]:
    """From the innermost function outwards."""
    sites = []
    while frame is not None:
        sites.append((frame.f_code.co_filename, frame.f_code.co_qualname))
        frame = frame.f_back
    return tuple(sites)


def main() -> None:
    """Run the module as `python -m` would."""
    out, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv[:] = sys.argv[2:]
    sampler = Sampler(out)
    signal.signal(signal.SIGUSR1, sampler.toggle)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
