"""A keep-alive HTTP/1.1 client that costs next to nothing, so that the client is not what is measured.

It understands what Holdfast and its floor answer over loopback (a status, a Content-Length or no body) and no
more.
"""

import asyncio
import time
from typing import NamedTuple, cast

import orjson

_WITHOUT_BODY = (204, 304)
_REUSE_SECONDS = 4.0
"""uvicorn closes a connection that was idle for 5 s."""


class Answer(NamedTuple):
    status: int
    body: bytes


class UnexpectedAnswerError(Exception):
    """The server answered something that the measurement cannot count."""


def encode(
    method: str, path: str, *, token: str | None = None, body: object = None, headers: dict[str, str] | None = None
) -> bytes:
    """A whole request as bytes, made before the clock runs."""
    content = b"" if body is None else orjson.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(content)}"]
    if content:
        lines.append("Content-Type: application/json")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class HttpClient:
    """Connections to one server, opened when all others are busy and then kept."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    async def open(self, connections: int) -> None:
        """Have this many idle connections at hand."""
        self._idle = [connection for connection in self._idle if connection.is_fresh()]
        while len(self._idle) < connections:
            self._idle.append(await self._connect())

    async def send(self, request: bytes) -> Answer:
        """Send one encoded request and wait for the answer.

        Raises:
            OSError: the connection broke.
        """
        connection = self._reusable() or await self._connect()
        answer = await connection.exchange(request)
        self._idle.append(connection)
        return answer

    async def expect(self, status: int, request: bytes) -> Answer:
        """Send one request whose answer must have this status.

        Raises:
            UnexpectedAnswerError: it has another.
        """
        answer = await self.send(request)
        if answer.status != status:
            raise UnexpectedAnswerError(f"expected {status}, got {answer.status}: {answer.body[:300]!r}")
        return answer

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    def _reusable(self) -> "_Connection | None":
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                return connection
            connection.close()
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        self._all.append(connection)
        return connection


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._received = bytearray()
        self._expected: int | None = None
        self._used_at = time.monotonic()

    def is_fresh(self) -> bool:
        """Whether the server is sure not to have given up on this idle connection."""
        return time.monotonic() - self._used_at < _REUSE_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are no subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    async def exchange(self, request: bytes) -> Answer:
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        # A month of slots comes in dozens of pieces: the whole is looked at once it is there.
        self._received += data
        if self._expected is None:
            self._expected = expected(self._received)
        if self._expected is None or len(self._received) < self._expected:
            return
        answer = parse(bytes(self._received))
        self._received, self._expected = bytearray(), None
        self._used_at = time.monotonic()
        if self._answer and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server closed the connection"))

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def expected(data: bytes | bytearray) -> int | None:
    """How long the answer is, head and body, once its head has arrived.

    Raises:
        UnexpectedAnswerError: the head does not say.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(data[:end]).lower()
    if int(head[9:12]) in _WITHOUT_BODY:
        return end + 4
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise UnexpectedAnswerError(f"no Content-Length in {head[:200]!r}")
    return end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0])


def parse(data: bytes) -> Answer:
    """An answer that has arrived whole."""
    return Answer(int(data[9:12]), data[data.index(b"\r\n\r\n") + 4 :])
