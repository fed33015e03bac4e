"""The matrix: what is done to the stack in each cell while the load goes on."""

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
    VendorsMisbehave,
)


class Setting(StrEnum):
    """Which stack a cell needs."""

    SHARED = "shared"
    PAIRS = "pairs"
    """Two APIs and two workers."""
    SMALL_DISK = "small disk"
    """PostgreSQL's data on a small file system of their own."""
    API_CLOCK = "api clock"
    """A second API whose clock is an hour ahead."""
    WORKER_CLOCK = "worker clock"
    """A worker whose clock is an hour behind, in place of the ordinary one."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A fault, and when: seconds from the beginning of the load. The seed moves it by up to half a second."""

    at: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    faults: tuple[Scheduled, ...]
    seconds: float
    """How long new clients come."""
    setting: Setting = Setting.SHARED
    webhooks: bool = True
    """Whether the business is told of its events: a receiver refuses what an hour's wrong clock has signed."""
    reminders: bool = False
    """Begin so that reminders fall due in the middle of the load."""


_QUIET_END: Final = 10.0
"""Load that goes on behind the last fault: by it recovery is measured."""


def _every(fault: Fault, first: float, pause: float, times: int, lasts: float = 0.0) -> "_Plan":
    return tuple(Scheduled(first + number * (pause + lasts), fault) for number in range(times))


_Plan = tuple[Scheduled, ...]


def _cell(name: str, faults: _Plan, lasts: float = 0.0, **rest: object) -> Cell:
    """A cell whose load ends some time behind the end of its last fault."""
    end = max((one.at for one in faults), default=15.0) + lasts
    return Cell(name, faults, end + _QUIET_END, **rest)  # type: ignore[arg-type]


def _kills(name: str, *targets: str, times: int = 4, pause: float = 7.0) -> Cell:
    return _cell(name, _every(Kill(*targets), 5, pause, times))


def _stops(target: str, seconds: float, times: int) -> Cell:
    name = f"stop-{target}-{seconds:.0f}s"
    return _cell(name, _every(Freeze(target, seconds=seconds), 5, 5, times, seconds), seconds)


def _backend_stops(seconds: float, times: int) -> Cell:
    plan = _every(FreezeBackends(seconds=seconds), 5, 3, times, seconds)
    return _cell(f"stop-backend-{seconds:.0f}s", plan, seconds)


def _vendors(name: str, mood: str) -> Cell:
    return _cell(name, _every(VendorsMisbehave(mood, seconds=5), 4, 3, 4, 5), 5)


MATRIX: Final[tuple[Cell, ...]] = (
    _cell("calm", ()),
    _kills("kill-api", "api", times=5),
    _kills("kill-worker", "worker", times=5),
    _kills("kill-temporal", "temporal", times=5),
    _kills("kill-postgres", "postgres", times=5),
    _kills("kill-worker+temporal", "worker", "temporal", times=5),
    _kills("kill-api+worker", "api", "worker"),
    _kills("kill-postgres+temporal", "postgres", "temporal"),
    _kills("kill-everything", *EVERYTHING, pause=10),
    _cell("terminate-backends", _every(EndBackends(count=5), 3, 2, 14)),
    _cell("kill-backend", _every(EndBackends(kill=True), 4, 6, 5)),
    *(_stops(target, 6, 3) for target in EVERYTHING),
    _backend_stops(6, 4),
    *(_stops(target, 30, 1) for target in EVERYTHING),
    _backend_stops(30, 1),
    _cell("stop-temporal-then-kill", _every(FreezeThenKill("temporal", seconds=8), 5, 5, 2, 8), 8),
    _cell("stop-worker-then-kill", _every(FreezeThenKill("worker", seconds=8), 5, 5, 2, 8), 8),
    _cell(
        "stop-temporal-20s-kill-worker",
        (*_every(Freeze("temporal", seconds=20), 5, 0, 1), Scheduled(15, Kill("worker"))),
        10,
    ),
    _cell("flapping-worker", _every(Kill("worker"), 4, 3, 9)),
    _cell(
        "reminders",
        (*_every(Kill("worker"), 14, 7, 2), *_every(Freeze("worker", seconds=4), 25, 0, 1)),
        4,
        reminders=True,
    ),
    _cell("pairs-stop-api", _every(Freeze("api", seconds=12), 5, 4, 2, 12), 12, setting=Setting.PAIRS),
    _cell("pairs-stop-worker", _every(Freeze("worker", seconds=16), 5, 4, 2, 16), 16, setting=Setting.PAIRS),
    _cell("pairs-kill-worker", _every(Kill("worker"), 5, 5, 5), setting=Setting.PAIRS),
    _cell("restart-postgres", _every(Restart("postgres"), 5, 8, 3)),
    _cell("restart-everything", _every(Restart("postgres", "temporal", "api", "worker"), 5, 15, 1), 10),
    _vendors("vendors-lose-replies", "reply_lost"),
    _vendors("vendors-fail", "failing"),
    _vendors("vendors-hang", "hang"),
    _cell(
        "vendors-hang-kill-worker",
        (*_every(VendorsMisbehave("hang", seconds=20), 4, 0, 1), *_every(Kill("worker"), 8, 8, 2)),
        4,
    ),
    _cell("full-disk", _every(FillDisk(seconds=4), 6, 9, 2, 4), 4, setting=Setting.SMALL_DISK),
    _cell("clock-api", _every(Kill("worker"), 6, 8, 2), setting=Setting.API_CLOCK),
    _cell("clock-worker", _every(Kill("api"), 6, 8, 2), setting=Setting.WORKER_CLOCK, webhooks=False),
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
        (Scheduled(3, VendorsMisbehave("reply_lost", seconds=8)), Scheduled(7, Kill("worker"))),
        4,
        reminders=True,
    ),
)
"""The part that the test suite runs."""


def cell_named(name: str) -> Cell:
    """The cell that is called so.

    Raises:
        KeyError: there is none.
    """
    return {cell.name: cell for cell in (*MATRIX, *SHORT)}[name]
