"""`python -m tests.chaos`: check the guarantees while processes are killed and stopped, and resources run out."""

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.cell_run import RunOptions
from tests.chaos.cells import MATRIX, SHORT, Cell, cell_named
from tests.chaos.matrix import run_matrix

_EPILOG = """\
Every cell puts load on a real stack while it injects faults, waits until the stack is quiet, and compares four
sources: the clients' history, PostgreSQL, Temporal and the simulated vendors. The same seed makes the same
choices; the exact timing depends on the machine. The exit code is 1 if an invariant was violated.

The folder contains the history of each cell (docs/chaos-history.md) and report.txt with a timeline per violation.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 1 if an invariant was violated or a planted bug was not detected."""
    options = _parser().parse_args(argv)
    if options.list:
        sys.stdout.write("\n".join(_described(cell) for cell in (*MATRIX, *SHORT)) + "\n")
        return 0
    if options.planted is not None:
        from tests.chaos.planted_bugs import run_planted_bugs  # noqa: PLC0415

        return int(run_planted_bugs(options.planted, seed=options.seed))
    try:
        cells = _cells(options)
    except KeyError as error:
        sys.stderr.write(f"error: there is no cell {error}: see --list\n")
        return 2
    folder = options.keep or Path(tempfile.mkdtemp(prefix="holdfast-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(run_matrix(cells, options.seed, folder, RunOptions(options.rate, options.patience)))


def _cells(options: argparse.Namespace) -> list[Cell]:
    if options.cell:
        return [cell_named(name) for name in options.cell]
    return list(SHORT if options.short else MATRIX)


def _described(cell: Cell) -> str:
    faults = sorted({one.fault.name for one in cell.faults})
    return f"{cell.name:32} {cell.seconds:3.0f} s  {len(cell.faults):2} faults  {', '.join(faults)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description="Run the chaos matrix, or some of its cells, against temporary stacks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cell", action="append", metavar="NAME", help="run this cell; may be repeated")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="seed of all choices (default: a new one)")
    parser.add_argument("--short", action="store_true", help="run only the cells of the test suite")
    parser.add_argument("--rate", type=float, default=4.0, help="new clients per second (default: %(default)s)")
    parser.add_argument(
        "--patience",
        type=float,
        default=60.0,
        help="seconds before a temporary violation counts (default: %(default)s)",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="folder of histories and report")
    parser.add_argument("--list", action="store_true", help="list the cells and exit")
    parser.add_argument(
        "--planted",
        nargs="*",
        metavar="NAME",
        help="apply the bugs of tests/chaos/planted, or the named ones, one at a time to a copy of the code, "
        "and show which cell and invariant detected each",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
