"""The command line of the bench: `python -m bench --help`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import profiler, report
from bench.effort import FULL, QUICK
from bench.loops import on_fast_loop
from bench.measurements import MEASUREMENTS
from bench.noise import Noise, NoiseListener
from bench.operations import warm_up
from bench.results import Row
from bench.rig import connected
from bench.servers import Servers, running_servers
from dev.errors import DevError
from dev.reporter import ConsoleReporter

_PAGE_WIDTH = 130
"""Where the output is no terminal."""


def main() -> int:
    """Measure; 0 when it could be measured, whatever came of it, 1 with one line on stderr when not."""
    options = _parser().parse_args()
    try:
        asyncio.run(_stoppable(_run(options)))
    except DevError as error:
        print(f"{error.detail}\nerror: {error}".strip(), file=sys.stderr)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped", file=sys.stderr)
    else:
        return 0
    return 1


async def _stoppable(run: Coroutine[Any, Any, None]) -> None:
    """SIGTERM and SIGHUP end the run as Ctrl-C does: in order, with every server stopped."""
    task = asyncio.create_task(run)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


async def _run(options: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else _PAGE_WIDTH)
    reporter = ConsoleReporter(console)
    if options.profile:
        found = await profiler.profile(options.profile, reporter)
        console.print(profiler.table(found))
        return
    rows, noise = await _measure(options, reporter)
    console.print(report.table(rows))
    console.print(noise.sentence(), highlight=False)
    path = options.json or report.default_path()
    report.write_json(path, rows, noise, quick=options.quick)
    console.print(f"JSON: {path}", highlight=False, soft_wrap=True)


async def _measure(options: argparse.Namespace, reporter: ConsoleReporter) -> tuple[list[Row], Noise]:
    async with running_servers(reporter) as servers:
        listener = NoiseListener(servers)
        rows = await on_fast_loop(lambda: _measure_on(servers, options, reporter))
        return rows, listener.heard()


async def _measure_on(servers: Servers, options: argparse.Namespace, reporter: ConsoleReporter) -> list[Row]:
    effort = QUICK if options.quick else FULL
    rows: list[Row] = []
    async with connected(servers) as rig:
        with reporter.step("warming up"):
            await warm_up(rig)
        for name in options.only or MEASUREMENTS:
            title, measure = MEASUREMENTS[name]
            with reporter.step(title):
                rows += await measure(rig, effort)
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure Holdfast beside its bare floor, on servers of its own that are gone afterwards.",
    )
    parser.add_argument("--quick", action="store_true", help="a short run: rougher figures, fewer bookings")
    parser.add_argument(
        "--only",
        action="append",
        choices=MEASUREMENTS,
        metavar="NAME",
        help=f"measure this alone, may be repeated: {', '.join(MEASUREMENTS)}",
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="default: bench/results/TIMESTAMP.json")
    parser.add_argument(
        "--profile", choices=profiler.PROFILED, help="measure nothing; show where one process spends its CPU"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
