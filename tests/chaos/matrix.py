"""Runs cells one after the other, on a shared stack if possible."""

import asyncio
import shutil
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from dev.errors import DevError
from tests.chaos.cell_run import Outcome, Output, RunOptions, run_cell
from tests.chaos.cells import Cell, Topology
from tests.chaos.deployment import Deployment, running_deployment
from tests.chaos.facts import stuck_workflows
from tests.chaos.invariants import Violation
from tests.chaos.report import Report
from tests.chaos.sometimes import count_events
from tests.chaos.topologies import NotPossibleError, deployment_for

SUPERVISOR_GAVE_UP = "supervisor"
"""The invariant that the stack keeps itself running."""
STUCK = "no-stuck-workflow"
ABORTED = "broken-off"
"""The cell could not be completed."""


class SharedStack:
    """The stack of most cells: started on first use, and again after the supervisor gave up."""

    def __init__(self) -> None:
        self._resources = AsyncExitStack()
        self._site: Deployment | None = None

    async def deployment(self) -> Deployment:
        if self._site is None:
            self._site = await self._resources.enter_async_context(running_deployment())
        return self._site

    @property
    def running(self) -> Deployment | None:
        """The stack, if a cell has needed it."""
        return self._site

    async def close(self) -> None:
        self._site = None
        await self._resources.aclose()


async def run_matrix(
    cells: Sequence[Cell], seed: str, folder: Path, options: RunOptions, output: Output = print
) -> int:
    """Run the cells and print the report; 1 if an invariant was violated."""
    report = Report(seed, folder)
    output(f"seed {seed}, {len(cells)} cells, histories in {folder}")
    shared = SharedStack()
    try:
        for number, cell in enumerate(cells, 1):
            output(f"[{number}/{len(cells)}] {cell.name}: {cell.seconds:.0f} s of load, {len(cell.faults)} faults")
            await _run_safely(cell, seed, report, shared, options, output)
        await _look_back(shared, report, output)
    finally:
        await shared.close()
        report.write()
    output(f"\n{report.text()}\n\nhistories and timelines: {folder}")
    return 1 if report.has_violations else 0


async def _look_back(shared: SharedStack, report: Report, output: Output) -> None:
    """Check the bookings of all cells once more: what a later cell did to them, their own did not see."""
    if (deployment := shared.running) is None:
        return
    await deployment.until_ready()
    for workflow_id in await stuck_workflows(deployment.temporal):
        report.violated["all", STUCK] += 1
        report.notes.append(f"all: {STUCK}: the workflow task of {workflow_id} keeps failing")
        output(f"    {report.notes[-1]}")


async def _run_safely(
    cell: Cell, seed: str, report: Report, shared: SharedStack, options: RunOptions, output: Output
) -> None:
    """Report a cell that the harness cannot complete; the next cell gets a new stack."""
    try:
        await _run(cell, seed, report, shared, options, output)
    except Exception as error:
        report.violated[cell.name, ABORTED] += 1
        report.notes.append(f"{cell.name}: {ABORTED}: {type(error).__name__}: {error}")
        output(f"    {report.notes[-1]}")
        traceback.print_exception(error)
        await shared.close()


async def _run(
    cell: Cell, seed: str, report: Report, shared: SharedStack, options: RunOptions, output: Output
) -> None:
    try:
        needs_own = cell.topology is Topology.SMALL_DISK
        async with deployment_for(cell.topology, None if needs_own else await shared.deployment()) as deployment:
            outcome = await _run_until_given_up(deployment, cell, seed, report, options, output)
            if outcome is None:
                await _keep_logs(deployment, report.folder / f"{cell.name}-logs")
            else:
                await _add(deployment, outcome, report, output)
    except NotPossibleError as error:
        report.notes.append(f"{cell.name}: not possible here: {error}")
        output(f"    not possible here: {error}")
        return
    if outcome is None:
        await shared.close()


async def _run_until_given_up(
    deployment: Deployment, cell: Cell, seed: str, report: Report, options: RunOptions, output: Output
) -> Outcome | None:
    """Run the cell; None if the supervisor gives up."""
    running = asyncio.create_task(run_cell(deployment, cell, seed, report.folder, output, options))
    failing = asyncio.create_task(deployment.stack.failed())
    await asyncio.wait({running, failing}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        failing.cancel()
        return running.result()
    running.cancel()
    await asyncio.wait({running})
    _report_end(cell, failing.result(), report, output)
    return None


def _report_end(cell: Cell, error: DevError, report: Report, output: Output) -> None:
    violation = Violation(SUPERVISOR_GAVE_UP, f"the supervisor gave the stack up: {error}")
    report.violated[cell.name, violation.invariant] += 1
    report.notes.append(f"{cell.name}: {violation.invariant}: {violation.text}")
    output(f"    {violation.text}")


async def _add(deployment: Deployment, outcome: Outcome, report: Report, output: Output) -> None:
    logged = await asyncio.to_thread(deployment.new_lines)
    outcome.sometimes = await count_events(deployment.temporal, outcome.calls, outcome.facts, logged)
    row = await report.add(outcome, deployment.temporal)
    output(
        f"    {row.requests} requests, {row.bookings} bookings, {row.available:.1%} available, "
        f"{row.violations} violations, {outcome.seconds:.0f} s in all"
    )
    for violation in outcome.violations[:5]:
        output(f"    ! {violation.invariant}: {violation.text} ({violation.booking_id or '-'})")
    if outcome.violations:
        await _keep_logs(deployment, report.folder / f"{outcome.cell}-logs")


async def _keep_logs(deployment: Deployment, folder: Path) -> None:
    """Copy the processes' logs, to investigate violations."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    for log in deployment.logs:
        name = f"{log.parent.name}-{log.name}" if log.parent != deployment.stack.home.logs else log.name
        await asyncio.to_thread(shutil.copyfile, log, folder / name)
