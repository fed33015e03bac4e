import asyncio
from pathlib import Path

import pytest

from dev.supervisor import Patience, Supervisor
from tests.dev.children import SLEEP, Child

Reports = asyncio.Queue[str]


@pytest.fixture
async def reports() -> Reports:
    return asyncio.Queue()


def _supervisor(reports: Reports, *, restart: bool = True) -> Supervisor:
    return Supervisor(
        restart=restart,
        report=reports.put_nowait,
        patience=lambda: Patience(first_pause_seconds=0.01, rapid_deaths_allowed=3),
    )


async def test_a_killed_child_is_restarted_with_a_line_saying_so(home: Path, reports: Reports) -> None:
    supervisor, child = _supervisor(reports), Child(home)
    await supervisor.start(child)
    first = child.process.pid
    await child.kill()
    assert await reports.get() == "child ended with signal 9"
    assert await reports.get() == f"child restarted (pid {child.process.pid})"
    assert child.process.pid not in {None, first}
    await supervisor.stop(child)


async def test_a_child_that_dies_again_and_again_is_given_up(home: Path, reports: Reports) -> None:
    (home / "healthy").touch()
    supervisor = _supervisor(reports)
    child = Child(home, f"test -e healthy || {{ echo out of order; exit 1; }}; touch ready; {SLEEP}")
    await supervisor.start(child)
    (home / "healthy").unlink()
    await child.kill()
    error = await supervisor.failed
    assert "child dies again and again, giving up" in str(error)
    assert error.detail == "out of order"
    await supervisor.stop(child)


async def test_without_restart_a_dead_child_stays_down(home: Path, reports: Reports) -> None:
    supervisor, child = _supervisor(reports, restart=False), Child(home)
    await supervisor.start(child)
    await child.kill()
    assert await reports.get() == "child ended with signal 9"
    assert not child.process.running
    await supervisor.start(child)
    assert child.process.running
    await supervisor.stop(child)


async def test_a_stopped_child_is_not_restarted(home: Path, reports: Reports) -> None:
    supervisor, child = _supervisor(reports), Child(home)
    await supervisor.start(child)
    await supervisor.stop(child)
    assert not child.process.running
    assert reports.empty()


async def test_nothing_is_restarted_once_the_watch_has_ended(home: Path, reports: Reports) -> None:
    supervisor, child = _supervisor(reports), Child(home)
    await supervisor.start(child)
    await supervisor.stop_watching()
    await child.kill()
    assert not child.process.running
    assert reports.empty()


async def test_a_child_on_its_way_back_can_be_stopped(home: Path, reports: Reports) -> None:
    supervisor = _supervisor(reports)
    child = Child(home, f"test -e once || touch ready; touch once; {SLEEP}")
    await supervisor.start(child)
    await child.kill()
    assert await reports.get() == "child ended with signal 9"
    await supervisor.stop(child)
    assert not child.process.running


def test_patience_doubles_its_pauses_and_ends() -> None:
    patience = Patience(first_pause_seconds=1.0, rapid_deaths_allowed=3)
    assert [patience.pause_after(0.0) for _ in range(4)] == [1.0, 2.0, 4.0, None]


def test_a_long_life_restores_patience() -> None:
    patience = Patience(first_pause_seconds=1.0, rapid_deaths_allowed=3)
    assert [patience.pause_after(lifetime) for lifetime in (0.0, 0.0, 3600.0, 0.0)] == [1.0, 2.0, 1.0, 2.0]
