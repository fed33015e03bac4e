"""How much of it a client may have: connections, messages, and what one message may be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest

from api.app import create_app
from api.websocket_protocol import MOST_MESSAGE_BYTES
from runtime.settings import Settings
from tests.integration.api.streams.conftest import TokenOf
from tests.support.api_client import ApiClient
from tests.support.servers import served
from tests.support.sockets import Socket, socket_to
from tests.support.stage import Stage, ok, problem

STREAM = {"Accept": "text/event-stream"}
PER_CALLER, PER_ADDRESS, MESSAGES = 2, 3, 10


@pytest.fixture(scope="module")
async def url(settings: Settings, worker: None) -> AsyncIterator[str]:
    limits = {
        "streams_per_caller": PER_CALLER,
        "streams_per_address": PER_ADDRESS,
        "websocket_messages_per_minute": MESSAGES,
        "trusted_proxies": "127.0.0.1",
    }
    async with served(create_app(settings.model_copy(update=limits))) as url:
        yield url


@pytest.fixture
async def limited(url: str, settings: Settings) -> AsyncIterator[ApiClient]:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        yield ApiClient.over(http, settings)


def behind(address: str) -> dict[str, str]:
    """Sent by a proxy for a client at this address."""
    return {"X-Forwarded-For": address}


async def test_a_caller_has_so_many_streams_of_both_ways_together(
    url: str, limited: ApiClient, stage: Stage, token_of: TokenOf
) -> None:
    customer = limited.as_(stage.tenant.principals["customer"])
    async with AsyncExitStack() as opened:
        socket = await opened.enter_async_context(socket_to(url))
        await socket.authenticate(token_of("customer"))
        stream = customer.stream("/v1/me/events", **STREAM)
        assert (await opened.enter_async_context(stream)).status_code == 200
        refused = await customer.send("GET", "/v1/me/events", **STREAM, **behind("192.0.2.1"))
        assert problem(refused, 429, "too_many_streams")
        assert int(refused.headers["Retry-After"]) > 0
        async with socket_to(url, additional_headers=behind("192.0.2.1")) as other:
            answer = await other.ask("authenticate", token=token_of("customer"))
            assert answer["problem"]["code"] == "too_many_streams"
            assert await other.closed() == (4429, "too_many_streams")
        async with socket_to(url, additional_headers=behind("192.0.2.1")) as other:
            await other.authenticate(token_of("ana"))
    async with socket_to(url) as socket, asyncio.timeout(5):  # their places are free again
        assert (await socket.authenticate(token_of("customer")))["type"] == "authenticated"


async def test_an_address_has_so_many_whoever_they_are(
    url: str, limited: ApiClient, stage: Stage, token_of: TokenOf
) -> None:
    here, nearby, elsewhere = behind("2001:db8:1:2::3"), behind("2001:db8:1:2::4"), behind("2001:db8:1:3::3")
    async with AsyncExitStack() as opened:
        for _ in range(PER_ADDRESS):  # without authenticating
            await opened.enter_async_context(socket_to(url, additional_headers=here))
        async with socket_to(url, additional_headers=nearby) as socket:
            assert await socket.closed() == (4429, "too_many_streams")
        ana = limited.as_(stage.tenant.principals["ana"])
        problem(await ana.send("GET", "/v1/me/events", **STREAM, **nearby), 429, "too_many_streams")
        async with socket_to(url, additional_headers=elsewhere) as socket:
            await socket.authenticate(token_of("ana"))


async def test_a_flood_of_messages_ends_the_connection(url: str, stage: Stage, token_of: TokenOf) -> None:
    async with socket_to(url) as socket:
        await socket.authenticate(token_of("customer"))
        for _ in range(100):
            await socket.say("ping")
        answers = [await socket.next() for _ in range(MESSAGES - 1)]
        assert {answer["type"] for answer in answers} == {"pong"}
        assert await socket.closed() == (4429, "too_many_messages")


async def send(socket: Socket, message: str | bytes) -> tuple[int, str]:
    await socket.connection.send(message)
    return await socket.closed()


async def test_what_is_too_large_ends_the_connection(url: str, stage: Stage, token_of: TokenOf) -> None:
    async with socket_to(url) as socket:
        await socket.authenticate(token_of("customer"))
        fits = '{"type":"ping","id":"%s"}' % ("x" * (MOST_MESSAGE_BYTES - 26))
        await socket.connection.send(fits)
        assert (await socket.next())["problem"]["code"] == "invalid_request"
        code, _ = await send(socket, "x" * 10_000_000)
        assert code == 1009
    async with socket_to(url) as socket:
        await socket.connection.send(piece for piece in ["x" * 40_000] * 3)
        assert (await socket.closed())[0] == 1009


async def test_a_binary_message_ends_the_connection(url: str) -> None:
    async with socket_to(url) as socket:
        assert await send(socket, b"\x00") == (1003, "send_text")


async def test_text_that_is_not_utf8_ends_the_connection(
    url: str, stage: Stage, token_of: TokenOf, caplog: pytest.LogCaptureFixture
) -> None:
    async with socket_to(url) as socket:
        await socket.authenticate(token_of("customer"))
        await socket.connection.send(b'{"type":"ping","id":"\xff"}', text=True)
        assert await socket.closed() == (1007, "not_utf8")
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


async def test_fragments_and_pings_without_end_end_the_connection(url: str) -> None:
    async with socket_to(url) as socket:

        async def pieces() -> AsyncIterator[str]:
            while True:
                yield ""

        with pytest.raises(Exception, match="1009"):
            await socket.connection.send(pieces())
        assert await socket.closed() == (1009, "too_many_fragments")
    async with socket_to(url) as socket:
        async with asyncio.timeout(5):
            for _ in range(601):
                await socket.connection.ping()
            assert await socket.closed() == (1008, "too_many_control_frames")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"400"),
        (b"POST /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"405"),
        (b"GET /v1/ws HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"426"),
        (
            b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: %s\r\n\r\n"
            % (b"x" * 10_000),
            b"400",
        ),
    ],
)
async def test_a_handshake_that_is_none_is_answered(url: str, head: bytes, status: bytes) -> None:
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    writer.write(head)
    async with asyncio.timeout(5):
        assert (await reader.readline()).split()[1] == status
    writer.close()


async def test_an_event_stream_ends_with_its_token(stage: Stage, limited: ApiClient, token_of: TokenOf) -> None:
    short = limited.with_token(token_of("customer", seconds=1.5))
    async with short.stream("/v1/me/events", **STREAM) as response, asyncio.timeout(5):
        said = (await response.aread()).decode()
    assert 'event: stream.ended\ndata: {"reason":' in said
    assert "token_expired" in said


async def test_a_ticket_opens_an_event_stream_for_as_long_as_its_token(
    stage: Stage, limited: ApiClient, token_of: TokenOf
) -> None:
    short = limited.with_token(token_of("customer", seconds=1.5))
    ticket = ok(await short.send("POST", "/v1/stream-tickets"))["ticket"]
    async with limited.stream(f"/v1/me/events?ticket={ticket}", **STREAM) as response, asyncio.timeout(5):
        assert "token_expired" in (await response.aread()).decode()
