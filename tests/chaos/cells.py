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


_Plan = tuple[Scheduled, ...]

_QUIET_END: Final = 6.0
"""Seconds of load behind the last fault: by it recovery is measured."""


def _every(fault: Fault, times: int, pause: float, *, first: float = 3.0, lasts: float = 0.0) -> _Plan:
    """A fault that lasts so long, again and again, with so long a pause between."""
    return tuple(Scheduled(first + number * (pause + lasts), fault) for number in range(times))


def _in_turn(faults: tuple[Fault, ...], times: int, pause: float) -> _Plan:
    return tuple(Scheduled(3.0 + number * pause, faults[number % len(faults)]) for number in range(times))


def _cell(
    name: str,
    faults: _Plan,
    lasts: float = 0.0,
    *,
    setting: Setting = Setting.SHARED,
    reminders: bool = False,
    webhooks: bool = True,
) -> Cell:
    """A cell whose load ends some time behind the end of its last fault."""
    end = max((one.at for one in faults), default=13.0) + lasts
    return Cell(name, faults, end + _QUIET_END, setting, webhooks=webhooks, reminders=reminders)


def _kills(*targets: str, times: int = 5, pause: float = 6.5) -> Cell:
    return _cell(f"kill-{'+'.join(targets)}", _every(Kill(*targets), times, pause))


def _stops(target: str, seconds: float, times: int) -> Cell:
    fault = FreezeBackends(seconds=seconds) if target == "backend" else Freeze(target, seconds=seconds)
    return _cell(f"stop-{target}-{seconds:.0f}s", _every(fault, times, 3, lasts=seconds), seconds)


def _stops_then_kill(target: str) -> Cell:
    plan = _every(FreezeThenKill(target, seconds=8), 2, 4, lasts=8)
    return _cell(f"stop-{target}-then-kill", plan, 8)


def _vendors(name: str, mode: str) -> Cell:
    return _cell(name, _every(VendorsMisbehave(mode, seconds=3), 5, 2, lasts=3), 3)


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
    _cell("flapping-worker", _every(Kill("worker"), 11, 3)),
    _cell(
        "reminders",
        (*_every(Kill("worker"), 2, 7, first=14), Scheduled(25, Freeze("worker", seconds=4))),
        4,
        reminders=True,
    ),
    _cell("pairs-stop-api", _every(Freeze("api", seconds=12), 2, 3, lasts=12), 12, setting=Setting.PAIRS),
    _cell("pairs-stop-worker", _every(Freeze("worker", seconds=16), 2, 3, lasts=16), 16, setting=Setting.PAIRS),
    _cell(
        "pairs-slow-vendors",
        # Longer than a heartbeat's time-out, shorter than a request's: both attempts go on.
        (
            Scheduled(2, VendorsMisbehave("slow", seconds=33)),
            *_every(Freeze("worker", seconds=12), 2, 3, lasts=12),
        ),
        12,
        setting=Setting.PAIRS,
    ),
    _cell("pairs-kill-workers", _in_turn(_BOTH_WORKERS, 6, 4), setting=Setting.PAIRS),
    _cell("restart-postgres", _every(Restart("postgres"), 3, 7)),
    _cell("restart-everything", _every(Restart("postgres", "temporal", "api", "worker"), 1, 0), 15),
    _vendors("vendors-lose-replies", "reply_lost"),
    _vendors("vendors-fail", "failing"),
    _vendors("vendors-hang", "hang"),
    _cell(
        "vendors-hang-kill-worker",
        (Scheduled(3, VendorsMisbehave("hang", seconds=16)), *_every(Kill("worker"), 2, 7, first=6)),
        6,
    ),
    _cell("full-disk", _every(FillDisk(seconds=4), 3, 5, lasts=4), 4, setting=Setting.SMALL_DISK),
    _cell("clock-api", _every(Kill("worker"), 3, 8), setting=Setting.API_CLOCK),
    _cell("clock-worker", _every(Kill("api"), 3, 8), setting=Setting.WORKER_CLOCK, webhooks=False),
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
