"""One complete run: a killed supervisor, a full start with the demo, and an orderly stop."""

import re
import signal
import stat
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from dev.home import Home
from dev.settings import DevSettings
from tests.support.command_line import run, spawn


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


def _for_others(home: Path) -> list[Path]:
    """The files in the home that users other than the owner may open."""
    found = []
    for path in home.rglob("*"):
        with suppress(FileNotFoundError):  # servers create and delete files
            if not path.is_socket() and path.lstat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                found.append(path)
    return found


async def test_a_stack_whose_supervisor_was_killed_comes_back_shows_the_demo_and_stops_clean(home: Path) -> None:
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
        assert f"stopped {name}, left behind" in output
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{settings.api_url}/readyz")).is_success
        shown = await run(settings, "demo")
        assert shown.code == 0, shown.errors
        page = (await http.get(settings.vendors_url)).text
    children = _running(home)
    assert set(children) == {"postgres", "temporal", "vendors", "api", "grpc", "worker"}
    for expected in (
        "heard scheduling.booking.created",
        "heard payment.authorized",
        "heard scheduling.booking.completed",
        "create_job",
        "capture_payment",
        "refunded 199.00, kept 0.00",
        "refunded 149.25, kept 49.75",
    ):
        assert expected in shown.output
    assert not re.search(
        r" (failed|retrying|pending) ", shown.output.partition("Effects:")[2].partition("Cancel")[0]
    )
    for seen in ("Confirmed: Opener installation", "calendar file", "14925", "Canceled", "scheduling.booking"):
        assert seen in page
    assert _for_others(home) == []
    second.send_signal(signal.SIGINT)
    await second.communicate()

    assert second.returncode == 0
    for process in (*orphans.values(), *children.values()):
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert Home(home).running() is None
