"""CPU time of one process per booking, by package and function, while 20 bookings arrive per second."""

import asyncio
import json
import signal
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from bench.call_sites import is_ours, package_of, short_name
from bench.event_loops import on_fast_loop
from bench.load import open_loop
from bench.operations import creates, warm_up
from bench.servers import NullJournal, Servers, running_servers
from bench.testbed import connected
from dev.process import ManagedProcess
from dev.programs import Api, Worker, python_command
from dev.reporter import Reporter
from dev.service import Service

PROFILED = ("api", "worker")

RATE = 20
BOOKINGS = 400

_TOP = 20
_POLL_SECONDS = 0.1

Milliseconds = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Profile:
    """CPU milliseconds per booking."""

    process: str
    total: float
    native: float
    """CPU time of threads without Python code: Temporal's core."""
    by_package: Milliseconds
    by_function: Milliseconds
    """Time in the function itself and in the C code that it calls."""
    within: Milliseconds
    """Time in one of Holdfast's functions and everything that it calls."""


async def profile(name: str, reporter: Reporter) -> Profile:
    """Run the stack with one of its processes under the sampler, and create bookings.

    Raises:
        DevError: a process does not start.
    """
    async with running_servers(reporter) as servers:
        out = servers.stack.home.path / "profile.json"
        await servers.stack.stop_process(name)
        service = _sampled(servers, name, out)
        await service.start()
        try:
            with reporter.step(f"{BOOKINGS} bookings at {RATE}/s"):
                await on_fast_loop(lambda: _book(servers, service.process, out))
        finally:
            await service.stop()
        return evaluate(name, json.loads(out.read_text()), BOOKINGS)


def _sampled(servers: Servers, name: str, out: Path) -> Service:
    """The service, run under the sampler."""
    stack = servers.stack
    logs, environment = stack.home.logs, stack.environment
    service: Service = (
        Api(stack.api_url, logs, environment, NullJournal())
        if name == "api"
        else Worker(logs, environment, NullJournal())
    )
    command = python_command(
        f"{name}-sampled", "bench.sampler", str(out), name, logs=logs, environment=environment
    )
    service.process = ManagedProcess(command)
    return service


async def _book(servers: Servers, process: ManagedProcess, out: Path) -> None:
    async with connected(servers) as testbed:
        await warm_up(testbed)
        process.send_signal(signal.SIGUSR1)
        await open_loop(RATE, creates(testbed, BOOKINGS))
        await testbed.until_quiet()
        process.send_signal(signal.SIGUSR1)
        await asyncio.to_thread(_wait_for, out)


def _wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(_POLL_SECONDS)


def evaluate(process: str, found: Any, bookings: int) -> Profile:
    """Divide the process's CPU time in proportion to the sampled stacks."""
    packages: dict[str, float] = defaultdict(float)
    functions: dict[str, float] = defaultdict(float)
    within: dict[str, float] = defaultdict(float)
    total = found["process_seconds"] * 1000 / bookings
    samples = sum(entry["samples"] for entry in found["stacks"])
    for entry in found["stacks"]:
        stack = [(file, function) for file, function in entry["stack"]]
        cost = entry["samples"] / samples * total
        packages[package_of(stack)] += cost
        if stack:
            functions[short_name(stack[0])] += cost
        for site in set(filter(is_ours, stack)):
            within[short_name(site)] += cost
    native = total - found["python_seconds"] * 1000 / bookings
    return Profile(process, total, native, packages, functions, within)


def table(found: Profile) -> Table:
    """A table of the most expensive packages and functions."""
    shown = Table(title=f"{found.process}: {found.total:.1f} ms of CPU per booking", title_justify="left")
    shown.add_column("CPU, ms per booking", justify="right")
    shown.add_column("package or function")
    shown.add_row(f"{found.native:.2f}", "of it in native threads (Temporal's core)", end_section=True)
    for kind in (found.by_package, found.within, found.by_function):
        for name, cost in sorted(kind.items(), key=lambda item: -item[1])[:_TOP]:
            shown.add_row(f"{cost:.2f}", name)
        shown.add_section()
    return shown
