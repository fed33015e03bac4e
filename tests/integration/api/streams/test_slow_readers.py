"""A client that does not read is told from where to resume, and closed: over both ways, and nothing is lost."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from runtime.ids import new_id
from runtime.settings import Settings
from tests.integration.api.streams.conftest import TokenOf
from tests.support.event_log import write_events
from tests.support.servers import served
from tests.support.sockets import socket_to
from tests.support.stage import Stage

EVENTS = 3000
"""More than the buffers of a connection take."""
SMALL = 4096


@pytest.fixture(scope="module")
async def url(settings: Settings, worker: None) -> AsyncIterator[str]:
    """An API that gives its listeners half a second to read."""
    async with served(create_app(settings.model_copy(update={"stream_send_seconds": 0.5}))) as url:
        yield url


async def connected(url: str) -> sockets.socket:
    """A connection whose receiving side takes next to nothing."""
    found = sockets.socket()
    found.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, SMALL)
    found.setblocking(False)
    address = urlsplit(url)
    await asyncio.get_running_loop().sock_connect(found, (address.hostname, address.port))
    return found


@asynccontextmanager
async def given_up(way: str) -> AsyncIterator[None]:
    """After the block, wait until one more client was too slow."""

    def ended() -> float:
        return REGISTRY.get_sample_value("holdfast_stream_ends_total", {"way": way, "reason": "too_slow"}) or 0

    before = ended()
    yield
    async with asyncio.timeout(10):
        while ended() == before:
            await asyncio.sleep(0.02)


async def test_an_event_stream(url: str, stage: Stage, engine: AsyncEngine, token_of: TokenOf) -> None:
    last = await write_events(engine, stage.tenant, EVENTS, about=new_id())
    reader, writer = await asyncio.open_connection(sock=await connected(url), limit=SMALL)
    async with given_up("sse"):
        writer.write(
            b"GET /v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
            b"Authorization: Bearer %s\r\n\r\n" % token_of("owner").encode()
        )
    said = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    ids = [int(line.removeprefix("id: ")) for line in said.splitlines() if line.startswith("id: ")]
    assert ids[:-1] == list(range(len(ids) - 1))  # the first is where the stream begins
    assert ids[-1] == ids[-2] < last
    assert 'event: stream.ended\ndata: {"reason":"too_slow"}\nid: ' in said
    assert said.endswith("0\r\n\r\n")


async def test_a_websocket(url: str, stage: Stage, engine: AsyncEngine, token_of: TokenOf) -> None:
    last = await write_events(engine, stage.tenant, EVENTS, about=new_id())
    async with socket_to(url, sock=await connected(url), max_queue=1) as socket:
        await socket.authenticate(token_of("owner"))
        async with given_up("websocket"):
            await socket.say("subscribe", id="all", after=0)
            await socket.say("subscribe", id="desk", business=str(stage.tenant.business_id), after="0")
        heard = await socket.rest()
        assert (socket.connection.close_code, socket.connection.close_reason) == (4408, "too_slow")
    events = [one for one in heard if one["type"] == "event" and one["id"] == "desk"]
    assert [int(one["resume"]) for one in events] == list(range(1, len(events) + 1))
    ended = {one["id"]: one for one in heard if one["type"] == "stream.ended"}
    assert {one["reason"] for one in ended.values()} == {"too_slow"}
    resume = ended["desk"]["resume"]
    assert int(resume) == len(events) < last
    async with socket_to(url) as socket:
        await socket.authenticate(token_of("owner"))
        await socket.subscribe("desk", business=str(stage.tenant.business_id), after=resume)
        rest = [int((await socket.next())["resume"]) for _ in range(last - int(resume))]
    assert rest == list(range(int(resume) + 1, last + 1))


async def test_a_stopping_process_waits_for_no_client_that_does_not_read(
    settings: Settings, stage: Stage, engine: AsyncEngine, token_of: TokenOf
) -> None:
    await write_events(engine, stage.tenant, EVENTS, about=new_id())
    serving = served(create_app(settings))
    url = await serving.__aenter__()
    _, writer = await asyncio.open_connection(sock=await connected(url), limit=SMALL)
    writer.write(
        b"GET /v1/events?after=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        b"Authorization: Bearer %s\r\n\r\n" % token_of("owner").encode()
    )
    async with socket_to(url, sock=await connected(url), max_queue=1) as socket:
        await socket.authenticate(token_of("owner"))
        await socket.say("subscribe", id="desk", business=str(stage.tenant.business_id), after=0)
        await socket.next()
        async with asyncio.timeout(9):  # less than the server would wait for requests that are under way
            await serving.__aexit__(None, None, None)
    writer.close()
