import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from dev.errors import DevError
from dev.ports import free_port
from dev.temporal import DevTemporal


@pytest.fixture(scope="module")
async def temporal(shared_home: Path) -> AsyncIterator[DevTemporal]:
    server = DevTemporal(shared_home, port=free_port(), ui_port=free_port())
    await server.start()
    yield server
    await server.stop()


async def _start_workflow(server: DevTemporal, workflow_id: str) -> None:
    attributes = TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword("BookingStatus"), "pending"),
            SearchAttributePair(SearchAttributeKey.for_datetime("StartsAt"), datetime.now(UTC)),
            SearchAttributePair(SearchAttributeKey.for_bool("NeedsAttention"), value=False),
        ]
    )
    client = await Client.connect(server.address)
    await client.start_workflow("Nobody", id=workflow_id, task_queue="nobody-polls", search_attributes=attributes)


async def test_a_workflow_started_as_soon_as_it_is_ready_survives_kill_and_stop(temporal: DevTemporal) -> None:
    await _start_workflow(temporal, "kept")
    await temporal.kill()
    await temporal.start()
    await temporal.stop()
    await temporal.start()
    client = await Client.connect(temporal.address)
    description = await client.get_workflow_handle("kept").describe()
    assert description.status is WorkflowExecutionStatus.RUNNING


async def test_the_ui_is_there(temporal: DevTemporal) -> None:
    assert temporal.ui_url
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(temporal.ui_url, follow_redirects=True)).is_success


async def test_two_run_side_by_side(temporal: DevTemporal, home: Path) -> None:
    other = DevTemporal(home, port=free_port())
    await other.start()
    await _start_workflow(other, "same-id")
    await _start_workflow(temporal, "same-id")
    await other.stop()


async def test_a_broken_database_is_told_with_the_log(home: Path) -> None:
    (home / "temporal.db").write_text("no database " * 1000)
    server = DevTemporal(home, port=free_port())
    with pytest.raises(DevError, match=r"temporal ended with .*logs/temporal.log"):
        await server.start()
    assert not server.process.running


def test_a_missing_program_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(home / "python"))
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(DevError, match="`temporal` program is not installed"):
        DevTemporal(home, port=free_port())
