"""A request that exceeds its deadline is aborted and leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.middleware.deadlines import Deadline
from api.protocol import Protocol
from db.repositories import businesses
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.factories import Tenant
from tests.support.raw_http import send_raw
from tests.support.servers import served
from tests.support.stage import ok, problem

LIMIT_SECONDS = 1.0


@pytest.fixture(scope="module")
async def hasty_url(settings: Settings, api_url: str) -> AsyncIterator[str]:
    """An application that gives requests up soon."""
    async with served(create_app(settings.model_copy(update={"request_timeout_seconds": LIMIT_SECONDS}))) as url:
        yield url


@pytest.fixture(scope="module")
async def http(hasty_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=hasty_url, timeout=30) as http:
        yield http


@pytest.fixture(scope="module")
def hasty(http: httpx.AsyncClient, settings: Settings) -> ApiClient:
    return ApiClient.over(http, settings)


async def test_a_request_that_waits_too_long_is_given_up_and_undone(
    hasty: ApiClient, tenant: Tenant, engine: AsyncEngine
) -> None:
    owner = hasty.as_(tenant.principals["owner"])
    path, body = f"/v1/businesses/{tenant.slug}/origins", {"origins": ["https://a.example"]}
    async with engine.begin() as conn:
        await businesses.lock(conn, tenant.business_id)
        answer = await owner.send("PUT", path, body)
    problem(answer, 503, "timed_out")
    assert answer.headers["Retry-After"] == "5"
    assert ok(await owner.get(path)) == {"origins": []}
    assert ok(await owner.send("PUT", path, body)) == body


async def test_a_body_that_does_not_arrive_is_not_waited_for(hasty_url: str) -> None:
    head = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    fields = b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    answer = await send_raw(hasty_url, head + fields, b'{"email":')
    assert (answer.status, answer.code) == (503, "timed_out")
    assert answer.headers["retry-after"] == "5"


class Impatient(Protocol):
    head_seconds = 0.05


async def test_a_head_that_does_not_arrive_is_not_waited_for(settings: Settings, api_url: str) -> None:
    async with served(create_app(settings), Impatient) as url:
        answer = await send_raw(url, b"GET /livez HTTP/1.1\r\nX-Slow: ")
        assert (answer.status, answer.code) == (408, "request_timeout")
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        assert await reader.read() == b""  # nothing was said, so nothing is answered
        writer.close()


async def test_an_import_may_take_longer(http: httpx.AsyncClient, hasty: ApiClient, tenant: Tenant) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"services": '
        await asyncio.sleep(LIMIT_SECONDS * 1.5)
        yield b"[]}"

    headers = hasty.as_(tenant.principals["owner"]).headers(**{"Content-Type": "application/json"})
    path = f"/v1/businesses/{tenant.slug}/import"
    answer = await http.post(path, content=slowly(), headers=headers)
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
