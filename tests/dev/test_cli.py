"""The command line, run as a user runs it: one clear line, an exit code, nothing left behind."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from dev.errors import DevError
from dev.home import Home
from dev.ports import LOOPBACK, free_port, require_free
from dev.programs import ROOT, migrate
from dev.run_state import RunJournal


class Outcome(NamedTuple):
    code: int
    output: str
    errors: str


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    ours = {
        "HOLDFAST_HOME": str(home),
        "HOLDFAST_API_PORT": str(free_port()),
        "HOLDFAST_TEMPORAL_PORT": str(free_port()),
        "HOLDFAST_TEMPORAL_UI_PORT": str(free_port()),
        "HOLDFAST_DATABASE_URL": "",
        "TEMPORAL_ADDRESS": "",
    }
    return dict(os.environ) | ours


async def _dev(environment: dict[str, str], *arguments: str) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dev", *arguments),
        env=environment,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, output.decode(), errors.decode())


@pytest.mark.parametrize("variable", ["HOLDFAST_API_PORT", "HOLDFAST_TEMPORAL_PORT", "HOLDFAST_TEMPORAL_UI_PORT"])
async def test_a_port_in_use(environment: dict[str, str], variable: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        outcome = await _dev(environment | {variable: str(port)}, "up")
    assert outcome.code == 1
    assert len(outcome.errors.splitlines()) == 1
    assert outcome.errors.startswith(f"error: port {port} ")
    assert variable in outcome.errors


async def test_a_variable_that_is_no_port(environment: dict[str, str]) -> None:
    outcome = await _dev(environment | {"HOLDFAST_API_PORT": "eight"}, "up")
    assert outcome.code == 1
    assert outcome.errors.startswith("error: HOLDFAST_API_PORT cannot be 'eight'")


async def test_a_stack_that_runs_in_the_same_home_already(environment: dict[str, str], home: Path) -> None:
    with Home(home).locked():
        outcome = await _dev(environment, "up")
    assert outcome.code == 1
    assert f"already (pid {os.getpid()})" in outcome.errors
    assert len(outcome.errors.splitlines()) == 1


async def test_a_broken_data_folder_leaves_nothing_running(environment: dict[str, str], home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("garbage")
    outcome = await _dev(environment, "up")
    assert outcome.code == 1
    assert "PG_VERSION says 'garbage'" in outcome.errors
    assert len(outcome.errors.splitlines()) == 1
    assert not Home(home).run_state.exists()
    require_free(int(environment["HOLDFAST_TEMPORAL_PORT"]), "HOLDFAST_TEMPORAL_PORT")


async def test_a_postgresql_of_ones_own_that_is_away(environment: dict[str, str]) -> None:
    away = f"postgresql://nobody:secret@{LOOPBACK}:{free_port()}/none"
    outcome = await _dev(environment | {"HOLDFAST_DATABASE_URL": away}, "up")
    assert outcome.code == 1
    assert outcome.errors.startswith("error: PostgreSQL does not answer at HOLDFAST_DATABASE_URL")
    assert "secret" not in outcome.errors


@pytest.mark.parametrize("command", ["stop", "psql"])
async def test_a_command_that_needs_a_running_stack(environment: dict[str, str], command: str) -> None:
    outcome = await _dev(environment, command)
    assert outcome.code == 1
    assert outcome.errors.startswith("error: no stack runs in ")


async def test_the_demo_without_a_stack(environment: dict[str, str]) -> None:
    outcome = await _dev(environment, "demo")
    assert outcome.code == 1
    assert outcome.errors.startswith("error: no API answers at ")
    assert len(outcome.errors.splitlines()) == 1


async def test_status_without_a_stack(environment: dict[str, str]) -> None:
    outcome = await _dev(environment, "status")
    assert outcome.code == 1
    assert "no stack runs" in outcome.output


async def test_reset_asks_first(environment: dict[str, str], home: Path) -> None:
    (home / "temporal.db").touch()
    refused = await _dev(environment, "reset")
    assert (refused.code, (home / "temporal.db").exists()) == (1, True)
    done = await _dev(environment, "reset", "--yes")
    assert (done.code, (home / "temporal.db").exists()) == (0, False)


async def test_reset_leaves_a_running_stack_alone(environment: dict[str, str], home: Path) -> None:
    (home / "temporal.db").touch()
    with Home(home).locked():
        outcome = await _dev(environment, "reset", "--yes")
    assert (outcome.code, (home / "temporal.db").exists()) == (1, True)


async def test_migrations_that_fail_show_their_last_words(environment: dict[str, str], home: Path) -> None:
    away = {"HOLDFAST_DATABASE_URL": f"postgresql://nobody@{LOOPBACK}:{free_port()}/none"}
    with pytest.raises(DevError, match="migrations ended with exit code") as failure:
        await migrate(home / "logs", environment | away, RunJournal(home / "run.json"))
    assert failure.value.detail
