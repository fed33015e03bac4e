"""Bugs that are planted one at a time: a harness that does not see them shows nothing.

Each is a patch in `planted/`. Its head says what is broken, and which cells should see it by which invariants:

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
"""What the bug has spoilt does not come back: there is no use in waiting for it as long as a run does."""


@dataclass(frozen=True, slots=True)
class Bug:
    name: str
    patch: Path
    what: str
    cells: tuple[str, ...]
    seen_by: frozenset[str]
    """Any of these invariants counts; another's violation says nothing about the bug."""


@dataclass(frozen=True, slots=True)
class Catch:
    """What came of one bug."""

    bug: Bug
    cell: str | None
    """Which cell saw it; none: none did."""
    invariants: tuple[str, ...]
    remark: str = ""


def bugs() -> list[Bug]:
    """All that can be planted."""
    return [_bug(path) for path in sorted(FOLDER.glob("*.patch"))]


def _bug(path: Path) -> Bug:
    head = dict(line.split(": ", 1) for line in path.read_text(encoding="utf-8").splitlines()[:3])
    seen_by = frozenset(head["Seen by"].split())
    return Bug(path.stem, path, head["Bug"], tuple(head["Cells"].split()), seen_by)


def hunt(names: Sequence[str], *, seed: str) -> int:
    """Plant the named bugs, or all, and print a table; 1 when one was not caught."""
    known = {bug.name: bug for bug in bugs()}
    if unknown := set(names) - known.keys():
        sys.stderr.write(f"error: there is no planted bug {', '.join(sorted(unknown))}\n")
        return 2
    catches = []
    for bug in [known[name] for name in names] or list(known.values()):
        catches.append(_look_for(bug, seed))
        sys.stdout.write(f"{_row(catches[-1])}\n")
        sys.stdout.flush()
    caught = sum(catch.cell is not None for catch in catches)
    lines = ["", f"{caught} of {len(catches)} planted bugs were caught (seed {seed})", "", *map(_row, catches)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if caught == len(catches) else 1


def _row(catch: Catch) -> str:
    told = f"{catch.cell}: {', '.join(catch.invariants)}" if catch.cell else f"NOT CAUGHT {catch.remark}"
    return f"{catch.bug.name:32} {catch.bug.what:60} {told}"


def _look_for(bug: Bug, seed: str) -> Catch:
    """Run the cells that should see it from a copy of the code, until one does."""
    others: set[str] = set()
    folder = Path(tempfile.mkdtemp(prefix="hf-planted-"))
    try:
        tree = folder / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        applied = apply(bug, tree)
        if applied:
            return Catch(bug, None, (), f"the patch does not apply: {applied}")
        for cell in bug.cells:
            invariants = asyncio.run(_violated(tree, cell, seed, folder / cell))
            others.update(invariants)
            if not bug.seen_by.isdisjoint(invariants):
                return Catch(bug, cell, invariants)
        return Catch(
            bug, None, (), f"in {', '.join(bug.cells)}; other violations: {', '.join(sorted(others)) or 'none'}"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def apply(bug: Bug, tree: Path, *, check: bool = False) -> str:
    """Apply the patch to a tree, or only look whether it would apply; what is in the way, else empty."""
    command = ["git", "apply", *(["--check"] if check else []), str(bug.patch)]
    # Outside of any repository git applies to the folder it is in.
    environment = {"GIT_CEILING_DIRECTORIES": str(tree.parent), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.stderr.strip()


async def _violated(tree: Path, cell: str, seed: str, folder: Path) -> tuple[str, ...]:
    """The invariants that are violated in the cell; also a stack that does not come up is one."""
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
