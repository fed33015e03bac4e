"""Limits of a connection outside its requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.protocol import Protocol
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.raw_http import read_answer, send_raw
from tests.support.servers import served
from tests.support.stage import Stage

PATIENCE_SECONDS = 20
MEGABYTE = 1024 * 1024
CHUNKED = b"Host: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
LOGIN = b"POST /v1/auth/login HTTP/1.1\r\n" + CHUNKED
ALIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
ALIVE_WITH_BODY = b"GET /livez HTTP/1.1\r\n" + CHUNKED

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Impatient(Protocol):
    head_seconds = 0.2
    drain_seconds = 0.2


@pytest.fixture(scope="module")
async def impatient_url(settings: Settings, api_url: str) -> AsyncIterator[str]:
    async with served(create_app(settings), Impatient) as url:
        yield url


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[Streams]:
    """A connection that is expected to end, or to be used up, in time."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield reader, writer
    finally:
        writer.close()


async def sent_until_closed(streams: Streams, piece: bytes, most: int) -> int:
    """How many bytes the server took until it closed the connection."""
    _, writer = streams
    taken = 0
    try:
        while taken < most:
            writer.write(piece)
            await writer.drain()
            taken += len(piece)
    except ConnectionError:
        pass
    return taken


async def ends(reader: asyncio.StreamReader) -> bool:
    """Whether nothing more comes; a reset is an end, too."""
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


# --- trailers and chunk framing --------------------------------------------------------------------------


async def test_a_trailer_proves_nobody(api_url: str, stage: Stage) -> None:
    token = stage.as_("customer").headers()["Authorization"].encode()
    head = b"GET /v1/bookings HTTP/1.1\r\nConnection: close\r\n%s" + CHUNKED + b"0\r\n%s\r\n"
    field = b"Authorization: %s\r\n" % token
    assert (await send_raw(api_url, head % (field, b""))).status == 200
    assert (await send_raw(api_url, head % (b"", field))).status == 401


async def test_a_trailer_of_a_proxy_names_no_address(
    settings: Settings, engine: AsyncEngine, api_url: str
) -> None:
    head = b"GET /v1/businesses HTTP/1.1\r\nConnection: close\r\n" + CHUNKED
    async with served(create_app(settings.model_copy(update={"trusted_proxies": "127.0.0.1"}))) as url:
        answer = await send_raw(url, head + b"0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
    async with engine.connect() as conn:
        query = text("SELECT address FROM audit_log WHERE request_id = :id")
        id_ = UUID(answer.headers["x-request-id"])
        assert str((await conn.execute(query, {"id": str(id_)})).scalar_one()).split("/")[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"1\r\n{\r\n0\r\n", b"X-Trailer: " + b"x" * 5000 + b"\r\n"),
        (b"1\r\n{\r\n0\r\nX-Endless: ", b"x" * 5000),
        (b"1;extension=", b"x" * 5000),
        (b"", b"0" * 5000),
    ],
    ids=["fields", "one field", "extension", "size"],
)
async def test_what_is_neither_head_nor_body_has_an_end(api_url: str, begin: bytes, piece: bytes) -> None:
    async with connection(api_url) as streams:
        streams[1].write(LOGIN + begin)
        assert await sent_until_closed(streams, piece, 32 * MEGABYTE) < 16 * MEGABYTE
        assert await ends(streams[0])


async def test_small_chunks_are_no_abuse(api_url: str) -> None:
    body = b'{"email": "nobody@b.example", "password": "' + b"x" * 60_000 + b'"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    async with connection(api_url) as (reader, writer):
        writer.write(LOGIN + chunks + b"0\r\nX-Trailer: fine\r\n\r\n" + ALIVE)
        assert (await read_answer(reader)).status == 422  # the password is too long
        assert (await read_answer(reader)).status == 200


# --- after the answer -----------------------------------------------------------------------------------


async def test_an_answered_request_that_drips_is_given_up(impatient_url: str) -> None:
    async with connection(impatient_url) as (reader, writer):
        writer.write(ALIVE_WITH_BODY)
        assert (await read_answer(reader)).status == 200
        rest = asyncio.create_task(ends(reader))
        while not rest.done():
            writer.write(b"1\r\nx\r\n")
            await asyncio.wait({rest}, timeout=0.02)
        assert await rest


async def test_an_answered_request_that_pours_is_not_read(impatient_url: str) -> None:
    async with connection(impatient_url) as streams:
        streams[1].write(LOGIN + b"%x\r\n" % MEGABYTE + b" " * MEGABYTE + b"\r\n")
        answer = await read_answer(streams[0])
        assert answer.status == 413
        assert (
            await sent_until_closed(streams, b"10000\r\n" + b" " * 65536 + b"\r\n", 256 * MEGABYTE) < 64 * MEGABYTE
        )


async def test_trailers_after_the_answer_are_not_kept(impatient_url: str) -> None:
    async with connection(impatient_url) as streams:
        streams[1].write(ALIVE_WITH_BODY + b"0\r\n")
        assert (await read_answer(streams[0])).status == 200
        field = b"X-Trailer: " + b"x" * 60_000 + b"\r\n"
        assert await sent_until_closed(streams, field, 256 * MEGABYTE) < 64 * MEGABYTE


async def test_a_small_rest_is_read_and_the_connection_goes_on(api_url: str) -> None:
    async with connection(api_url) as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(2):
            assert (await read_answer(reader)).status == 200
            writer.write(b"x" * 1000 + ALIVE.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000\r\n\r\n"))
        assert (await read_answer(reader)).status == 200


async def test_nonsense_after_the_answer_is_not_answered_as_well(api_url: str) -> None:
    async with connection(api_url) as (reader, writer):
        writer.write(ALIVE_WITH_BODY)
        assert (await read_answer(reader)).status == 200
        writer.write(b"no chunk\r\n")
        assert await ends(reader)


async def test_empty_lines_keep_no_connection(impatient_url: str) -> None:
    async with connection(impatient_url) as (reader, writer):
        writer.write(ALIVE)
        assert (await read_answer(reader)).status == 200
        rest = asyncio.create_task(ends(reader))
        while not rest.done():
            writer.write(b"\r\n")
            await asyncio.wait({rest}, timeout=0.02)
        assert await rest


@pytest.mark.parametrize(
    "head",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tea\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
async def test_a_protocol_that_we_do_not_speak_is_not_listened_to(
    api: ApiClient, api_url: str, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with connection(api_url) as (reader, writer):
        writer.write(head + b"brew\r\n\r\n")
        assert (await read_answer(reader)).status == 200
        assert await ends(reader)
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]
