"""A minimal HTTP/1.1 client with keep-alive: it uses so little CPU that it does not distort the figures.

It understands only the answers of Holdfast and the baseline over loopback (a status; a Content-Length or no body).
"""

import asyncio
import time
from typing import NamedTuple, cast

import orjson

_WITHOUT_BODY = (204, 304)
_REUSE_SECONDS = 4.0
"""Less than the 5 s after which uvicorn closes an idle connection."""


class Answer(NamedTuple):
    status: int
    body: bytes


class UnexpectedAnswerError(Exception):
    """The server's answer is not the one that the measurement needs."""


def encode(
    method: str, path: str, *, token: str | None = None, body: object = None, headers: dict[str, str] | None = None
) -> bytes:
    """Encode a complete request, before its time is measured."""
    content = b"" if body is None else orjson.dumps(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(content)}"]
    if content:
        lines.append("Content-Type: application/json")
    if token:
        lines.append(f"Authorization: Bearer {token}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class HttpClient:
    """A pool of connections to one server; it opens one when all others are busy."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[_Connection] = []
        self._all: list[_Connection] = []

    async def open(self, connections: int) -> None:
        """Keep this many idle connections ready."""
        self._idle = [connection for connection in self._idle if connection.is_fresh()]
        while len(self._idle) < connections:
            self._idle.append(await self._connect())

    async def send(self, request: bytes) -> Answer:
        """Send an encoded request and wait for the answer.

        Raises:
            OSError: the connection was lost.
        """
        connection = self._reusable() or await self._connect()
        answer = await connection.exchange(request)
        self._idle.append(connection)
        return answer

    async def expect(self, status: int, request: bytes) -> Answer:
        """Send a request whose answer must have this status.

        Raises:
            UnexpectedAnswerError: it has another status.
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
    """One connection with at most one request in progress."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._received = bytearray()
        self._expected: int | None = None
        self._used_at = time.monotonic()

    def is_fresh(self) -> bool:
        """Whether the server cannot have closed this idle connection yet."""
        return time.monotonic() - self._used_at < _REUSE_SECONDS

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    async def exchange(self, request: bytes) -> Answer:
        assert self._transport
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        # A month of slots arrives in dozens of pieces: it is parsed once, when it is complete.
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
    """The length of the answer, head and body; None until its head has arrived.

    Raises:
        UnexpectedAnswerError: the head has no Content-Length.
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
    """Parse a complete answer."""
    return Answer(int(data[9:12]), data[data.index(b"\r\n\r\n") + 4 :])
