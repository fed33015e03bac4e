import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import orjson
import pytest

from bench.event_listener import listening
from bench.http_client import UnexpectedAnswerError

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
BOOKING = UUID(int=7)


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def event(type_: str, **data: object) -> bytes:
    return chunk(b"id: 1\nevent: %s\ndata: %s\n\n" % (type_.encode(), orjson.dumps({"type": type_, "data": data})))


@asynccontextmanager
async def server(*pieces: bytes) -> AsyncIterator[int]:
    """A server that answers every request with these pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        await reader.read()
        writer.close()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield serving.sockets[0].getsockname()[1]
    serving.close()


async def test_events_about_bookings_are_heard_whole_however_they_arrive() -> None:
    first, second = event("created", bookingId=str(BOOKING)), event("service.changed", serviceId="x")
    third = event("assigned", bookingId=str(BOOKING))
    said = HEAD + chunk(b": listening\nretry: 2000\n\n") + first + second + third
    async with (
        asyncio.timeout(5),
        server(said[:60], said[60:200], said[200:]) as port,
        listening("127.0.0.1", port, [("/v1/events", "t")]) as [listener],
    ):
        while listener.count < 3:  # data arrives in a callback
            await asyncio.sleep(0.01)
        found = [(one.booking_id, one.type) for one in listener.take()]
        assert found == [(BOOKING, "created"), (BOOKING, "assigned")]
        assert listener.take() == []


async def test_a_refused_stream_is_an_error() -> None:
    async with server(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}") as port:
        with pytest.raises(ExceptionGroup) as error:
            async with asyncio.timeout(5), listening("127.0.0.1", port, [("/v1/events", "t")]):
                pass
    assert error.group_contains(UnexpectedAnswerError)
