"""A client of an event stream that does next to nothing: a thousand of them must not slow the servers down."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, cast
from uuid import UUID

import orjson

from bench.http_client import UnexpectedAnswerError, encode

_DATA: Final = b"data: "
_OK: Final = b"HTTP/1.1 200"
_LISTENING: Final = b": listening"
_CONNECTING: Final = 20
"""Clients that connect at the same time."""


class Heard(NamedTuple):
    """An event about a booking, when it arrived."""

    booking_id: UUID
    type: str
    at: float
    """Wall clock, seconds since the epoch."""


class EventListener(asyncio.Protocol):
    """One connection. It keeps the lines as they came, and reads them when it is asked."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        self._is_open = False
        self._lines: list[tuple[bytes, float]] = []
        self._transport: asyncio.Transport | None = None
        self.listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when everything from now on is heard."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports are not subclasses of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._is_open:
            self._is_open = self._opens(data)
        # An event is in one chunk, so the sizes of chunks are lines of their own.
        *lines, self._rest = (self._rest + data).split(b"\n")
        now = time.time()
        for line in lines:
            if line.startswith(_DATA):
                self._lines.append((line, now))
            elif line.startswith(_LISTENING) and not self.listening.done():
                self.listening.set_result(None)

    def _opens(self, beginning: bytes) -> bool:
        if beginning.startswith(_OK):
            return True
        self._fail(UnexpectedAnswerError(f"no stream: {beginning[:300]!r}"))
        return False

    def _fail(self, error: Exception) -> None:
        if not self.listening.done():
            self.listening.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionResetError("the server closed the connection"))

    @property
    def count(self) -> int:
        """How many events it has heard."""
        return len(self._lines)

    def take(self) -> list[Heard]:
        """The events about bookings since the last call."""
        lines, self._lines = self._lines, []
        found = ((orjson.loads(line.removeprefix(_DATA)), at) for line, at in lines)
        return [
            Heard(UUID(event["data"]["bookingId"]), event["type"], at)
            for event, at in found
            if "bookingId" in event.get("data", {})
        ]

    def close(self) -> None:
        if self._transport:
            self._transport.close()


@asynccontextmanager
async def listening(
    host: str, port: int, streams: Sequence[tuple[str, str]]
) -> AsyncIterator[list[EventListener]]:
    """Listen to streams, given by path and token.

    Raises:
        UnexpectedAnswerError: one was refused.
    """
    loop, connecting = asyncio.get_running_loop(), asyncio.Semaphore(_CONNECTING)
    listeners: list[EventListener] = []

    async def connect(path: str, token: str) -> None:
        request = encode("GET", path, token=token, headers={"Accept": "text/event-stream"})
        async with connecting:
            _, listener = await loop.create_connection(lambda: EventListener(request), host, port)
            listeners.append(listener)
            await listener.listening

    try:
        async with asyncio.TaskGroup() as group:
            for path, token in streams:
                group.create_task(connect(path, token))
        yield listeners
    finally:
        for listener in listeners:
            listener.close()
