"""Personal data stay in the database: not in logs, not in the engine's payloads, not in metrics."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from temporalio.client import Client

from dev.ports import free_port
from domain.names import booking_workflow_id
from runtime.settings import Settings
from tests.api_client import ApiClient
from tests.factories import Tenant
from tests.integration.api.stage import Json, Stage, ok

CANARY = "Zyxwv-4711"
PHONE = "+12125550147"
PERSONAL: Json = {
    "customer": {"name": f"{CANARY} Roe", "email": f"{CANARY}@example.com", "phone": PHONE},
    "address": {"line1": f"1 {CANARY} St", "city": CANARY, "country": "US"},
    "notes": f"ask for {CANARY}",
    "attribution": {"utm_source": CANARY},
}
TRACES = (CANARY.lower(), PHONE, PHONE.lstrip("+"))


def traces_in(text: str) -> list[str]:
    return [trace for trace in TRACES if trace in text.lower()]


async def live_a_life(stage: Stage) -> Json:
    """A booking full of personal data, with everything going right and wrong that people's words take part in."""
    body: Json = {"starts_at": stage.next_start(), "provider_id": stage.tenant.providers["ana"]} | PERSONAL
    booking = ok(await stage.as_("owner").book(stage.tenant, **body), 201)
    await stage.as_("owner").book(stage.tenant, **body)
    await stage.as_("owner").book(stage.tenant, **body | {"notes": CANARY * 1000})
    await stage.as_("owner").book(stage.tenant, **body | {CANARY: CANARY})
    await stage.as_("owner").book(stage.tenant, **body | {"provider_id": None, "service_id": CANARY})
    await stage.api.post("/v1/auth/login", {"email": f"{CANARY}@example.com", "password": CANARY})
    ok(await stage.as_("ana").command(booking["id"], "reject", reason=f"{CANARY} was rude"))
    ok(await stage.as_("owner").command(booking["id"], "cancel", reason=f"{CANARY} called"))
    return booking


async def test_a_booking_s_life_leaves_no_personal_data_in_the_logs(
    stage: Stage, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        booking = await live_a_life(stage)
    printed = capfd.readouterr()
    said = printed.out + printed.err + caplog.text
    assert booking["id"] in said, "the logs are the ones of this booking"
    assert traces_in(said) == []


async def test_the_engine_hears_ids_only(stage: Stage, client: Client) -> None:
    booking = await live_a_life(stage)
    history = await client.get_workflow_handle(booking_workflow_id(booking["id"])).fetch_history()
    stored = b"".join(event.SerializeToString() for event in history.events)
    assert booking["id"].encode() in stored
    assert traces_in(stored.decode("latin-1")) == []


async def test_the_process_logs_one_json_object_a_line_with_the_request_s_id_and_no_personal_data(
    settings: Settings, tenant: Tenant, stage: Stage
) -> None:
    async with api_process(settings) as (http, lines):
        alone = Stage(ApiClient.over(http, settings), stage.engine, tenant)
        await live_a_life(alone)
        await http.get("/livez", headers={"X-Request-ID": "the-last-one"})
        async with asyncio.timeout(10):
            while not any("the-last-one" in line for line in lines):
                await asyncio.sleep(0.01)
    records = [json.loads(line) for line in lines]
    requests = [record for record in records if record.get("event") == "request"]
    assert requests[-1]["request_id"] == "the-last-one"
    assert {"method", "route", "status", "ms", "request_id", "service", "level", "timestamp"} <= set(requests[-1])
    assert traces_in("\n".join(lines)) == []


@asynccontextmanager
async def api_process(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """`python -m api` as a process of its own, and the lines that it writes."""
    port = free_port()
    environment = os.environ | {
        "HOLDFAST_DATABASE_URL": settings.database_url,
        "HOLDFAST_JWT_KEY_FILE": str(settings.jwt_key_file),
        "HOLDFAST_LOG_LEVEL": "DEBUG",
        "PYTHONUNBUFFERED": "1",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api", "--port", str(port)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    lines: list[str] = []
    reading = asyncio.create_task(_collect(process, lines))
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            await _until_alive(http)
            yield http, lines
    finally:
        process.terminate()
        await process.wait()
        await reading


async def _collect(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        lines.append(line.decode().rstrip())


async def _until_alive(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await http.get("/livez")
            except httpx.TransportError:
                await asyncio.sleep(0.02)
            else:
                return
