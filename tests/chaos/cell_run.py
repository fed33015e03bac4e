"""Runs one cell: load with faults, then wait until quiet, collect the facts and check the invariants."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from tests.chaos import answer_invariants, booking_invariants, vendor_invariants
from tests.chaos.business import Business, connect_vendors, make_business
from tests.chaos.cells import Cell, Scheduled
from tests.chaos.deployment import Deployment
from tests.chaos.facts import Facts, gather, until_quiet
from tests.chaos.history import Call, History, calls_of, faults_of
from tests.chaos.invariants import Evidence, Violation, violations
from tests.chaos.load import Load

CHECKERS: Final = (answer_invariants, booking_invariants, vendor_invariants)
"""The modules whose import registers the invariants."""
_QUIETS_IN_PATIENCE: Final = 2
_SHIFT_SECONDS: Final = 0.5
_BEGIN_AT_SECOND: Final = 40
"""The reminders then fall due 20 s later, at the next full minute."""

Output = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Load and patience of a run."""

    rate: float = 4.0
    """New clients per second."""
    patience: float = 60.0
    """Seconds before a violation counts: one that disappears earlier is ignored."""


@dataclass(slots=True)
class Outcome:
    """The result of a cell."""

    cell: str
    seed: str
    history: Path
    calls: list[Call]
    faults: list[tuple[str, float, float]]
    facts: Facts
    violations: list[Violation]
    seconds: float
    settled_seconds: float
    """From the end of the load until all invariants held, or until the check gave up."""
    sometimes: dict[str, int] = field(default_factory=dict)


async def run_cell(
    deployment: Deployment, cell: Cell, seed: str, folder: Path, output: Output, options: RunOptions
) -> Outcome:
    """Run a cell on a healthy stack."""
    began = time.monotonic()
    await deployment.until_ready()
    if cell.reminders:
        await asyncio.sleep(_until_second(_BEGIN_AT_SECOND))
    load_begins = datetime.now(UTC) + timedelta(seconds=1)
    business = await make_business(deployment.engine, deployment.tokens, load_begins=load_begins)
    await connect_vendors(business, deployment.api_urls[0], deployment.vendors_url, webhooks=cell.webhooks)
    history = History(folder / f"{cell.name}.jsonl")
    history.write("cell", cell=cell.name, seed=seed, business_id=str(business.id))
    try:
        await _load_with_faults(deployment, business, history, cell, seed, options.rate, output)
    finally:
        history.close()
    return await _judge(deployment, business, history, cell, seed, began, options.patience)


def _until_second(second: int) -> float:
    """Seconds until this second of a minute: reminders fall due at full minutes."""
    return (second - time.time()) % 60


async def _load_with_faults(
    deployment: Deployment,
    business: Business,
    history: History,
    cell: Cell,
    seed: str,
    rate: float,
    output: Output,
) -> None:
    rng = random.Random(f"{seed}/{cell.name}/faults")
    load = Load(business, history, deployment.api_urls, f"{seed}/{cell.name}", rate)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(cell.seconds))
        for number, one in enumerate(cell.faults):
            moved = one.at + rng.uniform(-_SHIFT_SECONDS, _SHIFT_SECONDS)
            group.create_task(_inject(deployment, history, Scheduled(moved, one.fault), number, output))


async def _inject(deployment: Deployment, history: History, one: Scheduled, number: int, output: Output) -> None:
    await asyncio.sleep(one.at)
    history.write("fault", fault=one.fault.name, number=number)
    output(f"    {one.at:5.1f} s  {one.fault.name}")
    try:
        await one.fault.inject(deployment)
    finally:
        history.write("healed", fault=one.fault.name, number=number)


async def _judge(
    deployment: Deployment,
    business: Business,
    history: History,
    cell: Cell,
    seed: str,
    began: float,
    patience: float,
) -> Outcome:
    load_ended = time.monotonic()
    calls = calls_of(history.lines)
    await deployment.until_ready()
    await until_quiet(deployment, business, patience=_QUIETS_IN_PATIENCE * patience)
    deadline = time.monotonic() + patience
    while True:
        facts = await gather(deployment, business)
        found = violations(Evidence(calls, facts))
        if not found or time.monotonic() > deadline:
            break
        await asyncio.sleep(3)
    return Outcome(
        cell=cell.name,
        seed=seed,
        history=history.path,
        calls=calls,
        faults=faults_of(history.lines),
        facts=facts,
        violations=found,
        seconds=time.monotonic() - began,
        settled_seconds=time.monotonic() - load_ended,
    )
