"""`python -m tests.chaos`: the guarantees, checked while processes are killed, stopped and starved."""

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.cells import MATRIX, SHORT, Cell, cell_named
from tests.chaos.matrix import run_matrix
from tests.chaos.run import Pace

_EPILOG = """\
Every cell keeps load on a real stack while faults strike it, waits until all is quiet, and compares four sources:
the clients' own record, PostgreSQL, Temporal and the simulated vendors. The same seed makes the same choices; when
something happens is up to the machine. The exit code is 1 when an invariant was violated.

The folder holds the record of each cell (docs/chaos-history.md) and report.txt with the story of each violation.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for; 1 when an invariant was violated, or a planted bug not caught."""
    options = _parser().parse_args(argv)
    if options.list:
        sys.stdout.write("\n".join(_described(cell) for cell in (*MATRIX, *SHORT)) + "\n")
        return 0
    if options.planted is not None:
        from tests.chaos.planted_bugs import hunt  # noqa: PLC0415

        return int(hunt(options.planted, seed=options.seed))
    try:
        cells = _cells(options)
    except KeyError as error:
        sys.stderr.write(f"error: there is no cell {error}: see --list\n")
        return 2
    folder = options.keep or Path(tempfile.mkdtemp(prefix="holdfast-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(run_matrix(cells, options.seed, folder, Pace(options.rate, options.patience)))


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
        description="Run the chaos matrix, or some cells of it, against a stack that it starts itself.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cell", action="append", metavar="NAME", help="this cell; repeat it for more")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="decides every choice (default: a new one)")
    parser.add_argument("--short", action="store_true", help="only the part that the test suite runs")
    parser.add_argument("--rate", type=float, default=4.0, help="new clients a second (default: %(default)s)")
    parser.add_argument(
        "--patience",
        type=float,
        default=30.0,
        help="seconds in which what is late may still come before it is a violation (default: %(default)s)",
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where records and report are written")
    parser.add_argument("--list", action="store_true", help="list the cells, and run none")
    parser.add_argument(
        "--planted",
        nargs="*",
        metavar="NAME",
        help="plant the bugs of tests/chaos/planted, or those that are named, one at a time in a copy of the code "
        "and say which cell and invariant caught each",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
