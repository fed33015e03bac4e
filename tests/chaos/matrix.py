"""Cells, one after the other, against one stack where that will do."""

import asyncio
import shutil
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from dev.errors import DevError
from tests.chaos.cells import Cell, Setting
from tests.chaos.evidence import Violation
from tests.chaos.report import Report
from tests.chaos.run import Outcome, Pace, Tell, run_cell
from tests.chaos.settings import NotPossibleError, site_for
from tests.chaos.site import Site, running_site
from tests.chaos.sometimes import counted

GAVE_UP = "supervisor"
"""The invariant that a stack keeps itself running."""
BROKEN_OFF = "broken-off"
"""The cell could not be judged."""


class SharedStack:
    """The stack of most cells: started when it is first needed, and anew when it has given up."""

    def __init__(self) -> None:
        self._resources = AsyncExitStack()
        self._site: Site | None = None

    async def site(self) -> Site:
        if self._site is None:
            self._site = await self._resources.enter_async_context(running_site())
        return self._site

    async def close(self) -> None:
        self._site = None
        await self._resources.aclose()


async def run_matrix(cells: Sequence[Cell], seed: str, folder: Path, pace: Pace, tell: Tell = print) -> int:
    """Run them and print the report; 1 when an invariant was violated."""
    report = Report(seed, folder)
    tell(f"seed {seed}, {len(cells)} cells, records in {folder}")
    shared = SharedStack()
    try:
        for number, cell in enumerate(cells, 1):
            tell(f"[{number}/{len(cells)}] {cell.name}: {cell.seconds:.0f} s of load, {len(cell.faults)} faults")
            await _run_safely(cell, seed, report, shared, pace, tell)
    finally:
        await shared.close()
        report.write()
    tell(f"\n{report.text()}\n\nrecords and stories: {folder}")
    return 1 if report.has_violations else 0


async def _run_safely(cell: Cell, seed: str, report: Report, shared: SharedStack, pace: Pace, tell: Tell) -> None:
    """A cell that the harness itself cannot bring to an end is said, and the next has a new stack."""
    try:
        await _run(cell, seed, report, shared, pace, tell)
    except Exception as error:
        report.violated[cell.name, BROKEN_OFF] += 1
        report.notes.append(f"{cell.name}: {BROKEN_OFF}: {type(error).__name__}: {error}")
        tell(f"    {report.notes[-1]}")
        traceback.print_exception(error)
        await shared.close()


async def _run(cell: Cell, seed: str, report: Report, shared: SharedStack, pace: Pace, tell: Tell) -> None:
    try:
        needs_own = cell.setting is Setting.SMALL_DISK
        async with site_for(cell.setting, None if needs_own else await shared.site()) as site:
            outcome = await _run_while_it_lives(site, cell, seed, report, pace, tell)
            if outcome is None:
                await _keep_logs(site, report.folder / f"{cell.name}-logs")
            else:
                await _add(site, outcome, report, tell)
    except NotPossibleError as error:
        report.notes.append(f"{cell.name}: not possible here: {error}")
        tell(f"    not possible here: {error}")
        return
    if outcome is None:
        await shared.close()


async def _run_while_it_lives(
    site: Site, cell: Cell, seed: str, report: Report, pace: Pace, tell: Tell
) -> Outcome | None:
    """None when the supervisor gives up."""
    running = asyncio.create_task(run_cell(site, cell, seed, report.folder, tell, pace))
    failing = asyncio.create_task(site.stack.failed())
    await asyncio.wait({running, failing}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        failing.cancel()
        return running.result()
    running.cancel()
    await asyncio.wait({running})
    _note_end(cell, failing.result(), report, tell)
    return None


def _note_end(cell: Cell, error: DevError, report: Report, tell: Tell) -> None:
    violation = Violation(GAVE_UP, f"the supervisor gave the stack up: {error}")
    report.violated[cell.name, violation.invariant] += 1
    report.notes.append(f"{cell.name}: {violation.invariant}: {violation.text}")
    tell(f"    {violation.text}")


async def _add(site: Site, outcome: Outcome, report: Report, tell: Tell) -> None:
    logged = await asyncio.to_thread(site.new_lines)
    outcome.sometimes = await counted(site.temporal, outcome.calls, outcome.facts, logged)
    row = await report.add(outcome, site.temporal)
    tell(
        f"    {row.requests} requests, {row.bookings} bookings, {row.available:.1%} available, "
        f"{row.violations} violations, {outcome.seconds:.0f} s in all"
    )
    for violation in outcome.violations[:5]:
        tell(f"    ! {violation.invariant}: {violation.text} ({violation.booking_id or '-'})")
    if outcome.violations:
        await _keep_logs(site, report.folder / f"{outcome.cell}-logs")


async def _keep_logs(site: Site, folder: Path) -> None:
    """What the processes have said, for whoever looks for the reason."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    for log in site.logs:
        name = f"{log.parent.name}-{log.name}" if log.parent != site.stack.home.logs else log.name
        await asyncio.to_thread(shutil.copyfile, log, folder / name)
