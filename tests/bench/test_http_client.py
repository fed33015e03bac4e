import asyncio
from collections.abc import AsyncIterator

import pytest

from bench.http_client import Answer, HttpClient, UnexpectedAnswerError, encode, expected, parse

ANSWER = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server that answers every request with `ANSWER` in two pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER[:30])
            await writer.drain()
            writer.write(ANSWER[30:])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def test_a_request_is_complete() -> None:
    request = encode("POST", "/x", token="t", body={"a": 1}, headers={"Idempotency-Key": "k"})
    head, body = request.split(b"\r\n\r\n")
    assert body == b'{"a":1}'
    assert head.split(b"\r\n") == [
        b"POST /x HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Content-Length: 7",
        b"Content-Type: application/json",
        b"Authorization: Bearer t",
        b"Idempotency-Key: k",
    ]


def test_the_length_of_an_answer_is_known_once_its_head_has_arrived() -> None:
    assert expected(ANSWER[:10]) is None
    assert expected(ANSWER[:-1]) == len(ANSWER)


def test_an_answer_without_a_body_ends_with_its_head() -> None:
    head = b"HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n"
    assert expected(head) == len(head)
    assert parse(head) == Answer(304, b"")


def test_an_answer_is_parsed() -> None:
    assert parse(ANSWER) == Answer(201, b"{}")


def test_an_answer_of_unknown_length_is_an_error() -> None:
    with pytest.raises(UnexpectedAnswerError):
        expected(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


async def test_a_connection_is_reused(port: int) -> None:
    client = HttpClient("127.0.0.1", port)
    await client.open(1)
    for _ in range(3):
        assert await client.expect(201, encode("GET", "/")) == Answer(201, b"{}")
    assert len(client._all) == 1
    client.close()


async def test_an_unexpected_status_is_an_error(port: int) -> None:
    client = HttpClient("127.0.0.1", port)
    with pytest.raises(UnexpectedAnswerError, match="expected 200, got 201"):
        await client.expect(200, encode("GET", "/"))
    client.close()
