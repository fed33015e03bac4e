"""The real thing, once: a start whose supervisor is killed, everything up, everything stopped."""

import signal
from asyncio.subprocess import Process
from pathlib import Path

import httpx
import psutil

from dev.home import Home
from dev.settings import DevSettings
from tests.dev.command_line import spawn


async def _read_until(words: str, process: Process) -> str:
    assert process.stdout
    output = ""
    while words not in output:
        line = await process.stdout.readline()
        assert line, f"it ended: {output}"
        output += line.decode()
    return output


def _running(home: Path) -> dict[str, psutil.Process]:
    state = Home(home).running()
    assert state
    return {process.name: psutil.Process(process.pid) for process in state.processes}


async def test_a_stack_whose_supervisor_was_killed_comes_back_and_stops_clean(home: Path) -> None:
    settings = DevSettings.on_free_ports(home)
    first = await spawn(settings, "up")
    await _read_until("demo data", first)
    orphans = _running(home)
    assert set(orphans) >= {"postgres", "temporal"}
    first.kill()
    await first.wait()

    second = await spawn(settings, "up")
    output = await _read_until("Holdfast is up.", second)
    for name in orphans:
        assert f"ended {name}, left behind" in output
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{settings.api_url}/readyz")).is_success
    children = _running(home)
    assert set(children) == {"postgres", "temporal", "vendors", "api", "worker"}
    second.send_signal(signal.SIGINT)
    await second.communicate()

    assert second.returncode == 0
    for process in (*orphans.values(), *children.values()):
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert Home(home).running() is None
