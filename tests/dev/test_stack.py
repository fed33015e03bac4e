"""Failed starts of a stack: the cause is named, and nothing is left running."""

import os
import socket
from pathlib import Path

import pytest

from dev.errors import DevError
from dev.home import Home
from dev.ports import LOOPBACK, free_port, require_free
from dev.settings import DevSettings
from dev.stack import Stack


async def _start(settings: DevSettings) -> None:
    async with Stack(settings, grpc=True):
        pytest.fail("it started")


@pytest.mark.parametrize("name", ["api_port", "grpc_port", "temporal_port", "temporal_ui_port"])
async def test_a_port_in_use(home: Path, name: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        settings = DevSettings.on_free_ports(home).model_copy(update={name: port})
        with pytest.raises(DevError, match=rf"port {port} .* set HOLDFAST_{name.upper()} "):
            await _start(settings)
    assert not Home(home).run_state.exists()


async def test_a_stack_that_runs_in_the_same_home_already(home: Path) -> None:
    with Home(home).locked(), pytest.raises(DevError, match=rf"already \(pid {os.getpid()}\)"):
        await _start(DevSettings.on_free_ports(home))


async def test_a_broken_data_folder_stops_temporal_again(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("garbage")
    settings = DevSettings.on_free_ports(home)
    with pytest.raises(DevError, match="PG_VERSION says 'garbage'"):
        await _start(settings)
    require_free(settings.temporal_port, "HOLDFAST_TEMPORAL_PORT")
    assert not Home(home).run_state.exists()
    assert Home(home).running() is None


async def test_a_postgresql_of_ones_own_that_is_away_is_named_without_its_password(home: Path) -> None:
    away = f"postgresql://nobody:secret@{LOOPBACK}:{free_port()}/none"
    settings = DevSettings.on_free_ports(home).model_copy(update={"database_url": away})
    with pytest.raises(DevError, match="does not answer at HOLDFAST_DATABASE_URL") as failure:
        await _start(settings)
    assert "secret" not in str(failure.value)


async def test_a_temporal_of_ones_own_that_is_away_is_named(home: Path) -> None:
    away = f"{LOOPBACK}:{free_port()}"
    settings = DevSettings.on_free_ports(home).model_copy(update={"temporal_address": away})
    with pytest.raises(DevError, match=f"does not answer at TEMPORAL_ADDRESS={away}"):
        await _start(settings)
