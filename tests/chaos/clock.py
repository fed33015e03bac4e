"""A process with a shifted wall clock: by libfaketime, or else by a small library compiled here."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

_LIBRARIES: Final = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
)
_SOURCE: Final = Path(__file__).with_name("clock_shift.c")


def clock_environment(seconds: int, folder: Path) -> dict[str, str] | None:
    """Environment variables that move a process's clock `seconds` ahead; None if this machine cannot do it."""
    library = next((path for path in _LIBRARIES if Path(path).exists()), None)
    if library is not None:
        # Only the wall clock: timeouts use the monotonic clock.
        return {"LD_PRELOAD": library, "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    built = _build(folder / "clock_shift.so")
    return None if built is None else {"LD_PRELOAD": str(built), "CHAOS_CLOCK_SECONDS": str(seconds)}


def _build(library: Path) -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    command = (compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE), "-ldl")
    done = subprocess.run(command, capture_output=True, check=False)
    return library if done.returncode == 0 else None
