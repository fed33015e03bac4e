"""The command line: one clear line on stderr, the exit code, and no processes left behind."""

from pathlib import Path

import pytest

from dev.home import Home
from dev.settings import DevSettings
from tests.support.command_line import run


@pytest.fixture
def settings(home: Path) -> DevSettings:
    return DevSettings.on_free_ports(home)


async def test_a_start_that_fails_gives_one_line(settings: DevSettings) -> None:
    (settings.home / "postgres").mkdir()
    outcome = await run(settings, "up")
    assert outcome.code == 1
    assert len(outcome.errors.splitlines()) == 1
    assert outcome.errors.startswith(f"error: {settings.home}/postgres is no PostgreSQL data folder")


async def test_a_variable_that_is_no_port(settings: DevSettings) -> None:
    outcome = await run(settings, "up", HOLDFAST_API_PORT="eight")
    assert outcome.code == 1
    assert len(outcome.errors.splitlines()) == 1
    assert outcome.errors.startswith("error: HOLDFAST_API_PORT cannot be 'eight'")


@pytest.mark.parametrize("command", ["stop", "psql"])
async def test_a_command_that_needs_a_running_stack(settings: DevSettings, command: str) -> None:
    outcome = await run(settings, command)
    assert outcome.code == 1
    assert outcome.errors.startswith("error: no stack runs in ")


async def test_the_demo_without_a_stack(settings: DevSettings) -> None:
    outcome = await run(settings, "demo")
    assert outcome.code == 1
    assert outcome.errors == f"error: no API answers at {settings.api_url}: start the stack with `make run`\n"


async def test_status_without_a_stack(settings: DevSettings) -> None:
    outcome = await run(settings, "status")
    assert outcome.code == 1
    assert "no stack runs" in outcome.output


async def test_reset_asks_first(settings: DevSettings) -> None:
    database = settings.home / "temporal.db"
    database.touch()
    refused = await run(settings, "reset")
    assert (refused.code, database.exists()) == (1, True)
    done = await run(settings, "reset", "--yes")
    assert (done.code, database.exists()) == (0, False)


async def test_reset_leaves_a_running_stack_alone(settings: DevSettings) -> None:
    database = settings.home / "temporal.db"
    database.touch()
    with Home(settings.home).locked():
        outcome = await run(settings, "reset", "--yes")
    assert (outcome.code, database.exists()) == (1, True)
