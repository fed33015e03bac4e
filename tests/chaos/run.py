"""One cell: load and faults, quiet, facts, checks."""

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
from tests.chaos.evidence import Evidence, Violation, violations
from tests.chaos.facts import Facts, gather, until_quiet
from tests.chaos.history import Call, History, calls_of, faults_of
from tests.chaos.load import Load
from tests.chaos.site import Site

CHECKERS: Final = (answer_invariants, booking_invariants, vendor_invariants)
"""The modules whose import registers the invariants."""
_QUIETS_IN_PATIENCE: Final = 2
_SHIFT_SECONDS: Final = 0.5
_BEGIN_AT_SECOND: Final = 40
"""Then the next full minute that is far enough away is 20 s off."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard, and how patiently."""

    rate: float = 4.0
    """New clients a second."""
    patience: float = 30.0
    """Seconds for what may be a moment late: a violation that is gone by then was none."""


@dataclass(slots=True)
class Outcome:
    """What came of a cell."""

    cell: str
    seed: str
    history: Path
    calls: list[Call]
    faults: list[tuple[str, float, float]]
    facts: Facts
    violations: list[Violation]
    seconds: float
    settled_seconds: float
    """From the end of the load until everything was in order, or until that was given up."""
    sometimes: dict[str, int] = field(default_factory=dict)


async def run_cell(site: Site, cell: Cell, seed: str, folder: Path, tell: Tell, pace: Pace) -> Outcome:
    """Run it against a stack that is well."""
    began = time.monotonic()
    await site.until_well()
    if cell.reminders:
        await asyncio.sleep(_until_second(_BEGIN_AT_SECOND))
    load_begins = datetime.now(UTC) + timedelta(seconds=1)
    business = await make_business(site.engine, site.tokens, load_begins=load_begins)
    await connect_vendors(business, site.api_urls[0], site.vendors_url, webhooks=cell.webhooks)
    history = History(folder / f"{cell.name}.jsonl")
    history.write("cell", cell=cell.name, seed=seed, business_id=str(business.id))
    try:
        await _load_with_faults(site, business, history, cell, seed, pace.rate, tell)
    finally:
        history.close()
    return await _judge(site, business, history, cell, seed, began, pace.patience)


def _until_second(second: int) -> float:
    """Seconds until the clock shows that second of a minute: reminders fall due at full minutes."""
    return (second - time.time()) % 60


async def _load_with_faults(
    site: Site, business: Business, history: History, cell: Cell, seed: str, rate: float, tell: Tell
) -> None:
    chance = random.Random(f"{seed}/{cell.name}/faults")
    load = Load(business, history, site.api_urls, f"{seed}/{cell.name}", rate)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run(cell.seconds))
        for number, one in enumerate(cell.faults):
            moved = one.at + chance.uniform(-_SHIFT_SECONDS, _SHIFT_SECONDS)
            group.create_task(_strike(site, history, Scheduled(moved, one.fault), number, tell))


async def _strike(site: Site, history: History, one: Scheduled, number: int, tell: Tell) -> None:
    await asyncio.sleep(one.at)
    history.write("fault", fault=one.fault.name, number=number)
    tell(f"    {one.at:5.1f} s  {one.fault.name}")
    try:
        await one.fault.strike(site)
    finally:
        history.write("healed", fault=one.fault.name, number=number)


async def _judge(
    site: Site, business: Business, history: History, cell: Cell, seed: str, began: float, patience: float
) -> Outcome:
    load_ended = time.monotonic()
    calls = calls_of(history.lines)
    await site.until_well()
    await until_quiet(site, business, patience=_QUIETS_IN_PATIENCE * patience)
    deadline = time.monotonic() + patience
    while True:
        facts = await gather(site, business)
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
