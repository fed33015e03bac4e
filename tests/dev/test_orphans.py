import asyncio
import sys
from pathlib import Path

import psutil

from dev.orphans import end_orphans
from dev.process import ManagedProcess
from dev.run_state import RunJournal, RunState
from tests.dev.children import SLEEP, shell

# Starts a child, says its process id and waits to be killed.
_SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from dev.process import ManagedProcess
from dev.run_state import RunJournal
from tests.dev.children import SLEEP, shell

async def main():
    home = Path(sys.argv[1])
    process = ManagedProcess(shell(home, SLEEP), RunJournal(home / "run.json"))
    await process.start()
    print(process.pid, flush=True)
    await process.wait()

asyncio.run(main())
"""


async def test_children_of_a_killed_supervisor_are_ended(home: Path) -> None:
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SUPERVISOR, str(home), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout
    orphan = psutil.Process(int(await supervisor.stdout.readline()))
    supervisor.kill()
    await supervisor.wait()
    assert orphan.is_running()
    assert await end_orphans(home / "run.json") == ["child"]
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE


async def test_a_process_that_only_has_the_number_of_a_recorded_one_is_left_alone(home: Path) -> None:
    record = home / "run.json"
    process = ManagedProcess(shell(home, SLEEP), RunJournal(record))
    await process.start()
    state = RunState.read(record)
    assert state
    state.processes[0].create_time -= 60
    state.write(record)
    assert await end_orphans(record) == []
    assert process.running
    await process.stop()


async def test_without_a_record_there_are_no_orphans(home: Path) -> None:
    assert await end_orphans(home / "run.json") == []
    (home / "run.json").write_text("{ cut off")
    assert await end_orphans(home / "run.json") == []
