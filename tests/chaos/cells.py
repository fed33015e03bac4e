"""The test matrix: the faults of each cell."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.chaos.faults import (
    EVERYTHING,
    EndBackends,
    Fault,
    FillDisk,
    Freeze,
    FreezeBackends,
    FreezeThenKill,
    Kill,
    Restart,
    VendorFault,
)


class Topology(StrEnum):
    """The processes that a cell needs."""

    SHARED = "shared"
    PAIRS = "pairs"
    """Two APIs and two workers."""
    SMALL_DISK = "small disk"
    """PostgreSQL's data is on a small, separate file system."""
    API_CLOCK = "api clock"
    """A second API with its clock an hour ahead."""
    WORKER_CLOCK = "worker clock"
    """A worker with its clock an hour behind replaces the ordinary worker."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A fault, and its time in seconds from the start of the load. The seed shifts it by up to half a second."""

    at: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    faults: tuple[Scheduled, ...]
    seconds: float
    """Time in which new clients start."""
    topology: Topology = Topology.SHARED
    webhooks: bool = True
    """Whether webhooks are sent: receivers refuse signatures made with a wrong clock."""
    reminders: bool = False
    """Start the cell so that reminders fall due in the middle of the load."""


_Schedule = tuple[Scheduled, ...]

_QUIET_END: Final = 6.0
"""Seconds of load after the last fault, to measure the recovery."""


def _every(fault: Fault, times: int, pause: float, *, first: float = 3.0, lasts: float = 0.0) -> _Schedule:
    """The same fault several times, each lasting `lasts` seconds, with a pause in between."""
    return tuple(Scheduled(first + number * (pause + lasts), fault) for number in range(times))


def _in_turn(faults: tuple[Fault, ...], times: int, pause: float) -> _Schedule:
    return tuple(Scheduled(3.0 + number * pause, faults[number % len(faults)]) for number in range(times))


def _cell(
    name: str,
    faults: _Schedule,
    lasts: float = 0.0,
    *,
    topology: Topology = Topology.SHARED,
    reminders: bool = False,
    webhooks: bool = True,
) -> Cell:
    """A cell whose load continues for some time after its last fault."""
    end = max((one.at for one in faults), default=13.0) + lasts
    return Cell(name, faults, end + _QUIET_END, topology, webhooks=webhooks, reminders=reminders)


def _kills(*targets: str, times: int = 5, pause: float = 6.5) -> Cell:
    return _cell(f"kill-{'+'.join(targets)}", _every(Kill(*targets), times, pause))


def _stops(target: str, seconds: float, times: int) -> Cell:
    fault = FreezeBackends(seconds=seconds) if target == "backend" else Freeze(target, seconds=seconds)
    return _cell(f"stop-{target}-{seconds:.0f}s", _every(fault, times, 3, lasts=seconds), seconds)


def _stops_then_kill(target: str) -> Cell:
    plan = _every(FreezeThenKill(target, seconds=8), 2, 4, lasts=8)
    return _cell(f"stop-{target}-then-kill", plan, 8)


def _vendors(name: str, mode: str) -> Cell:
    return _cell(name, _every(VendorFault(mode, seconds=3), 5, 2, lasts=3), 3)


_BOTH_WORKERS: Final[tuple[Fault, ...]] = (Kill("worker"), Kill("worker2"))

MATRIX: Final[tuple[Cell, ...]] = (
    _cell("calm", ()),
    *(_kills(target) for target in EVERYTHING),
    _kills("worker", "temporal"),
    _kills("api", "worker", times=4, pause=6),
    _kills("postgres", "temporal", times=4, pause=6),
    _cell("kill-everything", _every(Kill(*EVERYTHING), 4, 8)),
    _cell("terminate-backends", _every(EndBackends(count=5), 30, 0.8)),
    _cell("kill-backend", _every(EndBackends(kill=True), 6, 5)),
    *(_stops(target, 6, 3) for target in (*EVERYTHING, "backend")),
    *(_stops(target, 30, 1) for target in (*EVERYTHING, "backend")),
    _stops_then_kill("temporal"),
    _stops_then_kill("worker"),
    _cell(
        "stop-temporal-20s-kill-worker",
        (Scheduled(3, Freeze("temporal", seconds=20)), Scheduled(13, Kill("worker"))),
        10,
    ),
    _cell(
        "stop-temporal-20s-kill-api",
        (Scheduled(3, Freeze("temporal", seconds=20)), Scheduled(13, Kill("api"))),
        10,
    ),
    _cell("flapping-worker", _every(Kill("worker"), 11, 3)),
    _cell(
        "reminders",
        (*_every(Kill("worker"), 2, 7, first=14), Scheduled(25, Freeze("worker", seconds=4))),
        4,
        reminders=True,
    ),
    _cell("pairs-stop-api", _every(Freeze("api", seconds=12), 2, 3, lasts=12), 12, topology=Topology.PAIRS),
    _cell("pairs-stop-worker", _every(Freeze("worker", seconds=16), 2, 3, lasts=16), 16, topology=Topology.PAIRS),
    _cell(
        "pairs-slow-vendors",
        # Longer than the heartbeat timeout, shorter than the request timeout: both attempts continue.
        (
            Scheduled(2, VendorFault("slow", seconds=33)),
            *_every(Freeze("worker", seconds=12), 2, 3, lasts=12),
        ),
        12,
        topology=Topology.PAIRS,
    ),
    _cell("pairs-kill-workers", _in_turn(_BOTH_WORKERS, 6, 4), topology=Topology.PAIRS),
    _cell("restart-postgres", _every(Restart("postgres"), 3, 7)),
    _cell("restart-everything", _every(Restart("postgres", "temporal", "api", "worker"), 1, 0), 15),
    _vendors("vendors-lose-replies", "reply_lost"),
    _vendors("vendors-fail", "failing"),
    _vendors("vendors-hang", "hang"),
    _cell(
        "vendors-hang-kill-worker",
        (Scheduled(3, VendorFault("hang", seconds=16)), *_every(Kill("worker"), 2, 7, first=6)),
        6,
    ),
    _cell("full-disk", _every(FillDisk(seconds=4), 3, 5, lasts=4), 4, topology=Topology.SMALL_DISK),
    _cell("clock-api", _every(Kill("worker"), 3, 8), topology=Topology.API_CLOCK),
    _cell("clock-worker", _every(Kill("api"), 3, 8), topology=Topology.WORKER_CLOCK, webhooks=False),
)

SHORT: Final[tuple[Cell, ...]] = (
    _cell(
        "short-kills",
        (
            Scheduled(4, Kill("worker", "temporal")),
            Scheduled(9, Kill("api")),
            Scheduled(13, Kill("postgres")),
        ),
    ),
    _cell(
        "short-stops",
        (
            Scheduled(3, FreezeBackends(seconds=6)),
            Scheduled(10, Freeze("worker", seconds=3)),
            Scheduled(14, Freeze("temporal", seconds=3)),
        ),
        3,
    ),
    _cell(
        "short-vendors",
        (Scheduled(3, VendorFault("reply_lost", seconds=8)), Scheduled(7, Kill("worker"))),
        4,
        reminders=True,
    ),
)
"""The cells of the test suite."""


def cell_named(name: str) -> Cell:
    """The cell with this name.

    Raises:
        KeyError: there is none.
    """
    return {cell.name: cell for cell in (*MATRIX, *SHORT)}[name]
