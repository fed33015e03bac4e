import asyncio
import signal
from pathlib import Path

import pytest

from dev.postgres import EmbeddedPostgres
from dev.supervisor import ProcessExit, RestartPolicy, Supervisor
from tests.support.child_processes import SLEEP, Child

Reports = asyncio.Queue[str]


@pytest.fixture
async def reports() -> Reports:
    return asyncio.Queue()


def _supervisor(reports: Reports, *, restart: bool = True) -> Supervisor:
    return Supervisor(
        restart=restart,
        report=reports.put_nowait,
        policy=lambda: RestartPolicy(first_delay_seconds=0.01, rapid_exits_allowed=3),
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


async def test_a_child_that_is_killed_again_and_again_is_always_restarted(home: Path, reports: Reports) -> None:
    supervisor, child = _supervisor(reports), Child(home)
    await supervisor.start(child)
    for _ in range(8):
        await child.kill()
        await _restarted(reports)
    assert not supervisor.failed.done()
    await supervisor.stop(child)


async def test_a_child_that_is_killed_before_it_is_ready_is_always_restarted(home: Path, reports: Reports) -> None:
    (home / "healthy").touch()
    supervisor = _supervisor(reports)
    child = Child(home, f"test -e healthy && touch ready; touch begun; {SLEEP}")
    await supervisor.start(child)
    (home / "healthy").unlink()
    await child.kill()
    for _ in range(8):
        await _begun(home)
        await child.kill()
    (home / "healthy").touch()
    await _begun(home)
    await child.kill()
    await _restarted(reports)
    assert not supervisor.failed.done()
    await supervisor.stop(child)


async def test_a_child_that_crashes_by_itself_is_given_up(home: Path, reports: Reports) -> None:
    (home / "healthy").touch()
    supervisor = _supervisor(reports)
    child = Child(home, f"test -e healthy || kill -SEGV $$; touch ready; {SLEEP}")
    await supervisor.start(child)
    (home / "healthy").unlink()
    await child.kill()
    assert "giving up: child ended with signal 11" in str(await supervisor.failed)


class _Buggy(Child):
    """A child whose second start raises an unexpected error."""

    starts = 0

    async def start(self) -> None:
        self.starts += 1
        if self.starts > 1:
            raise ValueError("unforeseen")
        await super().start()


async def test_a_bug_in_a_restart_is_told_and_leaves_nothing_unwatched(home: Path, reports: Reports) -> None:
    supervisor, child = _supervisor(reports), _Buggy(home)
    await supervisor.start(child)
    await child.kill()
    async with asyncio.timeout(10):
        assert str(await supervisor.failed) == "child cannot be restarted: ValueError: unforeseen"


class _KilledOnce(EmbeddedPostgres):
    """A server that is killed after its restart, before its database is created."""

    starts = 0

    async def _make_database(self) -> None:
        self.starts += 1
        if self.starts == 2:
            self.process.send_signal(signal.SIGKILL)
        await super()._make_database()


async def test_a_postgresql_that_is_killed_while_it_is_set_up_is_restarted(home: Path, reports: Reports) -> None:
    supervisor, server = _supervisor(reports), _KilledOnce(home)
    await supervisor.start(server)
    await server.kill()
    async with asyncio.timeout(60):
        while "restarted" not in await reports.get():
            pass
    assert server.starts == 3
    assert not supervisor.failed.done()
    await supervisor.stop(server)


async def _restarted(reports: Reports) -> None:
    async with asyncio.timeout(10):
        while "restarted" not in await reports.get():
            pass


async def _begun(home: Path) -> None:
    """Wait until the child has created its file at the next start."""
    async with asyncio.timeout(10):
        while not (home / "begun").exists():
            await asyncio.sleep(0.01)
    (home / "begun").unlink()


def _exit(at: float, lifetime: float = 0.0) -> ProcessExit:
    return ProcessExit(at, lifetime, killed=False)


def _kill(at: float, lifetime: float = 0.0) -> ProcessExit:
    return ProcessExit(at, lifetime, killed=True)


def _pauses(*deaths: ProcessExit) -> list[float | None]:
    policy = RestartPolicy(first_delay_seconds=1.0, rapid_exits_allowed=3, memory_seconds=100.0)
    return [policy.delay_after(death) for death in deaths]


def test_the_first_restart_is_at_once_then_pauses_double_and_end() -> None:
    assert _pauses(*(_exit(at) for at in range(4))) == [0.0, 1.0, 2.0, None]


def test_a_long_life_restores_patience() -> None:
    assert _pauses(_exit(0), _exit(1), _exit(3601, 3600), _exit(3602)) == [0.0, 1.0, 0.0, 1.0]


def test_kills_never_lengthen_the_pause() -> None:
    assert _pauses(*(_kill(at) for at in range(9))) == [1.0] * 9
    assert _pauses(*(_kill(at, 3.0) for at in range(9))) == [0.0] * 9


def test_kills_between_exits_do_not_excuse_them() -> None:
    assert _pauses(_exit(0), _kill(1), _exit(2), _kill(3), _exit(4), _exit(5)) == [0.0, 1.0, 1.0, 1.0, 2.0, None]


def test_exits_of_long_ago_are_forgotten() -> None:
    assert _pauses(_exit(0), _exit(1), _exit(2), _exit(102)) == [0.0, 1.0, 2.0, 0.0]
