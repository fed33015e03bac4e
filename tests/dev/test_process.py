import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from dev.errors import DevError
from dev.process import Command, ManagedProcess
from dev.service import until_ready
from tests.support.child_processes import SLEEP, Child, shell


class MemoryJournal:
    """A journal that stores process ids in memory."""

    def __init__(self) -> None:
        self.pids: dict[str, int] = {}

    def started(self, command: Command, pid: int) -> None:
        self.pids[command.name] = pid

    def ended(self, name: str) -> None:
        del self.pids[name]


async def test_a_child_runs_until_it_is_stopped(home: Path) -> None:
    process = ManagedProcess(shell(home, SLEEP))
    await process.start()
    assert process.running
    await process.stop()
    assert not process.running
    assert await process.wait() == -signal.SIGTERM


async def test_a_child_is_out_of_reach_of_the_terminal(home: Path) -> None:
    process = ManagedProcess(shell(home, SLEEP))
    await process.start()
    assert process.pid
    assert os.getsid(process.pid) == process.pid
    await process.stop()


async def test_a_child_that_ignores_the_polite_signal_is_forced(home: Path) -> None:
    stubborn = Child(home, "trap '' TERM; touch ready; while :; do sleep 0.01; done")
    stubborn.process.command = replace(stubborn.process.command, stop_seconds=0.2)
    await stubborn.start()
    await stubborn.stop()
    assert await stubborn.process.wait() == -signal.SIGKILL


async def test_hurrying_cuts_a_stop_short(home: Path) -> None:
    stubborn = Child(home, "trap '' TERM; touch ready; while :; do sleep 0.01; done")
    await stubborn.start()
    stopping = asyncio.create_task(stubborn.stop())
    await asyncio.sleep(0)  # the stop is under way
    stubborn.process.stop_faster()
    await asyncio.wait_for(stopping, stubborn.process.command.stop_seconds / 2)


async def test_a_child_whose_start_was_cancelled_is_known_and_can_be_stopped(home: Path) -> None:
    journal = MemoryJournal()
    process = ManagedProcess(shell(home, SLEEP), journal)
    starting = asyncio.create_task(process.start())
    await asyncio.sleep(0)  # the spawn is under way
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert journal.pids == {"child": process.pid}
    await process.stop()
    assert journal.pids == {}


async def test_the_tail_shows_only_what_came_since_the_last_start(home: Path) -> None:
    process = ManagedProcess(shell(home, "echo run $$"))
    for _ in range(2):
        await process.start()
        pid = process.pid
        await process.wait()
    assert process.log.tail() == f"run {pid}"


async def test_a_large_log_is_set_aside(home: Path) -> None:
    process = ManagedProcess(shell(home, "echo new"))
    process.log.path.parent.mkdir()
    process.log.path.write_bytes(b"x" * (11 * 1024 * 1024))
    await process.start()
    await process.wait()
    assert process.log.path.read_text() == "new\n"


async def test_a_missing_program_is_named(home: Path) -> None:
    process = ManagedProcess(replace(shell(home, ""), argv=("/no/such/program",)))
    await process.start()
    assert await process.wait() == 127
    assert "/no/such/program" in process.log.tail()


async def test_a_folder_that_is_gone_is_named(home: Path) -> None:
    process = ManagedProcess(replace(shell(home, SLEEP), directory=home / "gone"))
    with pytest.raises(DevError, match=r"child cannot be run: .*/gone"):
        await process.start()


async def test_waiting_ends_with_the_child_and_shows_its_last_words(home: Path) -> None:
    with pytest.raises(DevError, match=r"child ended with exit code 3: cannot go on \(log: "):
        await Child(home, "echo cannot go on; exit 3").start()


async def test_a_child_that_does_not_answer_in_time_is_stopped(home: Path) -> None:
    silent = Child(home, SLEEP)
    silent.ready_seconds = 0.2
    with pytest.raises(DevError, match="child does not answer"):
        await silent.start()
    assert not silent.process.running


async def test_a_failing_probe_is_not_taken_for_a_no(home: Path) -> None:
    async def broken() -> bool:
        raise ZeroDivisionError

    process = ManagedProcess(shell(home, SLEEP))
    await process.start()
    with pytest.raises(ZeroDivisionError):
        await until_ready(process, broken, timeout_seconds=5)
    await process.stop()


async def test_kill_leaves_nothing(home: Path) -> None:
    child = Child(home)
    await child.start()
    pid = child.process.pid
    await child.kill()
    assert pid
    assert not psutil.pid_exists(pid)
