"""Planted bugs test the harness itself: it must detect each of them.

Each bug is a patch in `planted/`. Its header names the bug, and the cells and invariants that should detect it:

    Bug: an idempotency key is forgotten
    Cells: kill-api calm
    Seen by: one-create-per-key
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dev.programs import ROOT

FOLDER: Final = Path(__file__).with_name("planted")
_LEFT_OUT: Final = (".git", ".venv", "__pycache__", ".holdfast", ".mypy_cache", ".ruff_cache", ".pytest_cache")
_LONGEST_SECONDS: Final = 900
_PATIENCE_SECONDS: Final = "15"
"""Shorter than in a normal run: the damage of a bug does not disappear."""


@dataclass(frozen=True, slots=True)
class Bug:
    name: str
    patch: Path
    what: str
    cells: tuple[str, ...]
    detected_by: frozenset[str]
    """Any of these invariants counts; violations of others do not indicate the bug."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The result for one bug."""

    bug: Bug
    cell: str | None
    """The cell that detected it; None: it was not detected."""
    invariants: tuple[str, ...]
    remark: str = ""


def bugs() -> list[Bug]:
    """All bugs."""
    return [_bug(path) for path in sorted(FOLDER.glob("*.patch"))]


def _bug(path: Path) -> Bug:
    head = dict(line.split(": ", 1) for line in path.read_text(encoding="utf-8").splitlines()[:3])
    detected_by = frozenset(head["Seen by"].split())
    return Bug(path.stem, path, head["Bug"], tuple(head["Cells"].split()), detected_by)


def run_planted_bugs(names: Sequence[str], *, seed: str) -> int:
    """Run the named bugs, or all, and print a table; 1 if one was not detected."""
    known = {bug.name: bug for bug in bugs()}
    if unknown := set(names) - known.keys():
        sys.stderr.write(f"error: there is no planted bug {', '.join(sorted(unknown))}\n")
        return 2
    detections = []
    for bug in [known[name] for name in names] or list(known.values()):
        detections.append(_detect(bug, seed))
        sys.stdout.write(f"{_row(detections[-1])}\n")
        sys.stdout.flush()
    detected = sum(detection.cell is not None for detection in detections)
    lines = [
        "",
        f"{detected} of {len(detections)} planted bugs were detected (seed {seed})",
        "",
        *map(_row, detections),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if detected == len(detections) else 1


def _row(detection: Detection) -> str:
    text = (
        f"{detection.cell}: {', '.join(detection.invariants)}"
        if detection.cell
        else f"NOT DETECTED {detection.remark}"
    )
    return f"{detection.bug.name:32} {detection.bug.what:60} {text}"


def _detect(bug: Bug, seed: str) -> Detection:
    """Run the bug's cells in a copy of the code until one detects it."""
    others: set[str] = set()
    folder = Path(tempfile.mkdtemp(prefix="hf-planted-"))
    try:
        tree = folder / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        applied = apply(bug, tree)
        if applied:
            return Detection(bug, None, (), f"the patch does not apply: {applied}")
        for cell in bug.cells:
            invariants = asyncio.run(_violated(tree, cell, seed, folder / cell))
            others.update(invariants)
            if not bug.detected_by.isdisjoint(invariants):
                return Detection(bug, cell, invariants)
        return Detection(
            bug, None, (), f"in {', '.join(bug.cells)}; other violations: {', '.join(sorted(others)) or 'none'}"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def apply(bug: Bug, tree: Path, *, check: bool = False) -> str:
    """Apply the patch to a source tree, or only check it; returns the error, or an empty text."""
    command = ["git", "apply", *(["--check"] if check else []), str(bug.patch)]
    # Outside a repository git applies the patch to the current folder.
    environment = {"GIT_CEILING_DIRECTORIES": str(tree.parent), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.strip()


async def _violated(tree: Path, cell: str, seed: str, folder: Path) -> tuple[str, ...]:
    """The names of the invariants violated in the cell."""
    options = {"--cell": cell, "--seed": seed, "--keep": str(folder), "--patience": _PATIENCE_SECONDS}
    command = (sys.executable, "-m", "tests.chaos", *(word for pair in options.items() for word in pair))
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tree, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _LONGEST_SECONDS)
    except TimeoutError:
        process.terminate()
        await process.wait()
        return ("does not end",)
    summary = folder / "violated.json"
    if not summary.exists():
        sys.stdout.write(output.decode(errors="replace")[-2000:])
        return ()
    return tuple(json.loads(summary.read_text(encoding="utf-8")))
