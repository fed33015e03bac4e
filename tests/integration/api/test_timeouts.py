"""A request that takes too long is given up, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.middleware.deadlines import Deadline
from db.repositories import schedule
from runtime.settings import Settings
from tests.api_client import ApiClient
from tests.factories import Tenant
from tests.integration.api.applications import running
from tests.integration.api.raw import send_raw
from tests.integration.api.stage import ok, problem

LIMIT_SECONDS = 1.0


@pytest.fixture(scope="module")
async def hasty(settings: Settings, api_url: str) -> AsyncIterator[ApiClient]:
    """An application that gives requests up soon."""
    async with running(settings.model_copy(update={"request_timeout_seconds": LIMIT_SECONDS})) as app:
        yield app


async def test_a_request_that_waits_too_long_is_given_up_and_undone(
    hasty: ApiClient, tenant: Tenant, engine: AsyncEngine
) -> None:
    owner = hasty.as_(tenant.principals["owner"])
    path, body = f"/v1/businesses/{tenant.slug}/origins", {"origins": ["https://a.example"]}
    async with engine.begin() as conn:
        await schedule.take_turn(conn, tenant.business_id)
        answer = await owner.send("PUT", path, body)
    problem(answer, 503, "timed_out")
    assert answer.headers["Retry-After"] == "5"
    assert ok(await owner.get(path)) == {"origins": []}
    assert ok(await owner.send("PUT", path, body)) == body


async def test_a_body_that_does_not_arrive_is_not_waited_for(hasty: ApiClient) -> None:
    head = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    fields = b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    answer = await send_raw(str(hasty._http.base_url), head + fields, b'{"email":')
    assert (answer.status, answer.code) == (503, "timed_out")
    assert answer.headers["retry-after"] == "5"


async def test_a_head_that_does_not_arrive_is_not_waited_for(
    hasty: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.protocol._HEAD_SECONDS", 0.05)
    url = str(hasty._http.base_url)
    answer = await send_raw(url, b"GET /livez HTTP/1.1\r\nX-Slow: ")
    assert (answer.status, answer.code) == (408, "request_timeout")
    reader, writer = await asyncio.open_connection(hasty._http.base_url.host, hasty._http.base_url.port)
    assert await reader.read() == b""  # nothing was said, so nothing is answered
    writer.close()


async def test_an_import_may_take_longer(hasty: ApiClient, tenant: Tenant) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"services": '
        await asyncio.sleep(LIMIT_SECONDS * 1.5)
        yield b"[]}"

    headers = hasty.as_(tenant.principals["owner"]).headers(**{"Content-Type": "application/json"})
    path = f"/v1/businesses/{tenant.slug}/import"
    answer = await hasty._http.post(path, content=slowly(), headers=headers)
    assert answer.status_code in {200, 422}
    assert answer.json().get("code") != "timed_out"


async def test_an_answer_that_has_begun_may_take_as_long_as_it_likes() -> None:
    sent = []

    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.02)
        await send({"type": "http.response.body", "body": b"late"})

    async def send(message) -> None:  # type: ignore[no-untyped-def]
        sent.append(message["type"])

    await Deadline(app, 0.005)({"type": "http", "state": {}}, None, send)  # type: ignore[arg-type]
    assert sent == ["http.response.start", "http.response.body"]
