import asyncio
import sys
from asyncio.subprocess import Process
from pathlib import Path

import psutil

from dev.orphans import stop_orphans
from dev.process import ManagedProcess
from dev.run_state import RunJournal, RunState
from tests.support.child_processes import SLEEP, shell

# Starts a child, prints its process id and waits to be killed; or kills itself before the child is recorded.
_SUPERVISOR = """
import asyncio, os, signal, sys
from pathlib import Path
from dev.process import ManagedProcess
from dev.run_state import RunJournal
from tests.support.child_processes import SLEEP, shell

class Interrupted:
    def started(self, command, pid):
        print(pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

async def main(home, kind):
    journal = Interrupted() if kind == "interrupted" else RunJournal(home / "run.json")
    process = ManagedProcess(shell(home, f"touch ran; {SLEEP}"), journal)
    await process.start()
    print(process.pid, flush=True)
    await process.wait()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


async def _supervisor_with_child(home: Path, kind: str) -> tuple[Process, int]:
    supervisor = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _SUPERVISOR, str(home), kind), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout
    return supervisor, int(await supervisor.stdout.readline())


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_children_of_a_killed_supervisor_are_ended(home: Path) -> None:
    supervisor, orphan = await _supervisor_with_child(home, "recorded")
    supervisor.kill()
    await supervisor.wait()
    assert _runs(orphan)
    assert await stop_orphans(home / "run.json") == ["child"]
    assert not _runs(orphan)


async def test_a_child_whose_supervisor_is_killed_before_it_is_recorded_never_runs(home: Path) -> None:
    supervisor, orphan = await _supervisor_with_child(home, "interrupted")
    await supervisor.wait()
    while _runs(orphan):  # not our child: there is no event to wait for
        await asyncio.sleep(0.01)
    assert not (home / "ran").exists()


async def test_a_process_that_only_has_the_number_of_a_recorded_one_is_left_alone(home: Path) -> None:
    record = home / "run.json"
    process = ManagedProcess(shell(home, SLEEP), RunJournal(record))
    await process.start()
    state = RunState.read(record)
    assert state
    state.processes[0].create_time -= 60
    state.write(record)
    assert await stop_orphans(record) == []
    assert process.running
    await process.stop()


async def test_without_a_record_there_are_no_orphans(home: Path) -> None:
    assert await stop_orphans(home / "run.json") == []
    (home / "run.json").write_text("{ cut off")
    assert await stop_orphans(home / "run.json") == []
