"""Command line of the benchmarks: `python -m bench --help`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import profiler, report
from bench.event_loops import on_fast_loop
from bench.measurements import MEASUREMENTS
from bench.noise import Noise, NoiseMeter
from bench.operations import warm_up
from bench.results import Row
from bench.servers import Servers, running_servers
from bench.testbed import connected
from bench.workload import FULL, QUICK
from dev.errors import DevError
from dev.reporter import ConsoleReporter

_PAGE_WIDTH = 130
"""Used when the output is not a terminal."""


def main() -> int:
    """Run the benchmarks; 0 when they ran, whatever the figures, 1 with one line on stderr when they could not."""
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
    """Let SIGTERM and SIGHUP end the run as Ctrl-C does: every server is stopped in order."""
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
        noise_meter = NoiseMeter(servers)
        rows = await on_fast_loop(lambda: _measure_on(servers, options, reporter))
        return rows, noise_meter.read()


async def _measure_on(servers: Servers, options: argparse.Namespace, reporter: ConsoleReporter) -> list[Row]:
    workload = QUICK if options.quick else FULL
    rows: list[Row] = []
    async with connected(servers) as testbed:
        with reporter.step("warming up"):
            await warm_up(testbed)
        for name in options.only or MEASUREMENTS:
            title, measure = MEASUREMENTS[name]
            with reporter.step(title):
                rows += await measure(testbed, workload)
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Compare Holdfast with a minimal baseline, on temporary servers.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="short run with fewer bookings and less precise figures"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=MEASUREMENTS,
        metavar="NAME",
        help=f"run only this measurement; may be repeated: {', '.join(MEASUREMENTS)}",
    )
    parser.add_argument(
        "--json", type=Path, metavar="PATH", help="file of the figures (default: bench/results/TIMESTAMP.json)"
    )
    parser.add_argument(
        "--profile",
        choices=profiler.PROFILED,
        help="show where one process spends its CPU time; measure nothing else",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
