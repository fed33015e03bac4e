"""No client costs the API memory, whatever it sends and however little it reads: measured at a process alone."""

import asyncio
import json
import socket as sockets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

import psutil
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from websockets.exceptions import ConnectionClosed

from runtime.ids import new_id
from runtime.settings import Settings
from tests.integration.api.streams.conftest import TokenOf
from tests.support.event_log import write_events
from tests.support.processes import api_process
from tests.support.sockets import Socket, socket_to
from tests.support.stage import Stage

EVENTS, CLIENTS, EACH = 4000, 20, 500
GROWTH_BYTES = 24 * 1024 * 1024
"""One reader's unread events are 2 MB, all of them 40 MB."""


class Measured(NamedTuple):
    """A running API."""

    url: str
    process: psutil.Process
    lines: list[str]


@pytest.fixture(scope="module")
async def measured(settings: Settings, worker: None) -> AsyncIterator[Measured]:
    changed = settings.model_copy(update={"stream_send_seconds": 2.0, "websocket_messages_per_minute": 0})
    async with api_process(changed) as (http, lines):
        port = http.base_url.port
        [process] = [
            child
            for child in psutil.Process().children(recursive=True)
            if any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in child.net_connections("tcp"))
        ]
        yield Measured(str(http.base_url).rstrip("/"), process, lines)


async def growth(measured: Measured, during: Callable[[], Awaitable[None]]) -> int:
    """Bytes that the process has more after it than before, with the clients still connected."""
    before = measured.process.memory_info().rss
    await during()
    return int(measured.process.memory_info().rss - before)


async def small_socket(url: str) -> sockets.socket:
    found = sockets.socket()
    found.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    found.setblocking(False)
    host, port = url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(found, (host, int(port)))
    return found


async def test_readers_who_stop_reading(
    measured: Measured, stage: Stage, engine: AsyncEngine, token_of: TokenOf
) -> None:
    business = str(stage.tenant.business_id)
    await write_events(engine, stage.tenant, EVENTS, about=new_id())
    async with socket_to(measured.url) as reader:  # once with everything, so that all code and caches are loaded
        await reader.authenticate(token_of("owner"))
        await reader.subscribe("desk", business=business, after=0)
        for _ in range(EVENTS):
            await reader.next()
    async with AsyncExitStack() as opened:

        async def listen_without_reading() -> None:
            for _ in range(CLIENTS):
                client = socket_to(measured.url, sock=await small_socket(measured.url), max_queue=1)
                socket = await opened.enter_async_context(client)
                await socket.authenticate(token_of("owner"))
                await socket.say("subscribe", id="desk", business=business, after=0)
                await socket.next()

        assert await growth(measured, listen_without_reading) < GROWTH_BYTES


async def test_ten_thousand_subscriptions(measured: Measured, stage: Stage, token_of: TokenOf) -> None:
    async with AsyncExitStack() as opened:

        async def subscribe() -> None:
            clients = [await opened.enter_async_context(socket_to(measured.url)) for _ in range(CLIENTS)]
            await asyncio.gather(*(ask_for(socket, EACH) for socket in clients))

        async def ask_for(socket: Socket, count: int) -> None:
            await socket.authenticate(token_of("customer"))
            for number in range(count):
                await socket.say("subscribe", id=str(number))
            answers = [await socket.next() for _ in range(count)]
            assert [one["type"] for one in answers].count("subscribed") == 100
            refused = [one["problem"]["code"] for one in answers if one["type"] == "error"]
            assert refused == ["too_many_streams"] * (count - 100)
            await socket.authenticate(token_of("customer"))  # and it goes on

        assert await growth(measured, subscribe) < GROWTH_BYTES


async def test_a_flood_whose_answers_nobody_reads(measured: Measured, token_of: TokenOf, stage: Stage) -> None:
    ping = json.dumps({"type": "ping", "id": "x" * 60})
    async with socket_to(measured.url, sock=await small_socket(measured.url), max_queue=1) as socket:
        await socket.authenticate(token_of("customer"))

        async def flood() -> None:
            with suppress(ConnectionClosed, TimeoutError):
                async with asyncio.timeout(8):
                    for _ in range(1_000_000):
                        await socket.connection.send(ping)

        assert await growth(measured, flood) < GROWTH_BYTES


async def test_what_is_logged_of_a_connection(measured: Measured, token_of: TokenOf, stage: Stage) -> None:
    token = token_of("customer")
    async with socket_to(measured.url, additional_headers={"X-Request-ID": "one-of-mine"}) as socket:
        assert socket.connection.response is not None
        assert socket.connection.response.headers["X-Request-ID"] == "one-of-mine"
        await socket.authenticate(token)
        await socket.connection.send("x" * 100_000)
        assert (await socket.closed())[0] == 1009
    async with asyncio.timeout(5):
        while not (found := [json.loads(line) for line in measured.lines if "one-of-mine" in line]):
            await asyncio.sleep(0.02)
    assert [(line["event"], line["route"], line["code"]) for line in found] == [("websocket", "/v1/ws", 1009)]
    assert not [line for line in measured.lines if token[:40] in line or token[-40:] in line]
    assert not [line for line in measured.lines if '"event":"websocket"' in line and "127.0.0.1" in line]
