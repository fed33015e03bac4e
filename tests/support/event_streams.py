"""Listening to event streams over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import httpx

from tests.support.api_client import ApiClient
from tests.support.sockets import Socket

STREAM: Final = {"Accept": "text/event-stream"}
_PATIENCE: Final = 10.0


class Sent(NamedTuple):
    """One event as it came over the wire."""

    id: str
    event: str
    data: dict[str, Any]


async def sent_over(response: httpx.Response) -> AsyncIterator[Sent]:
    """What a stream sends. Comments come without an `event`; with the first it begins to listen, from its `id`."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line == "":
            yield Sent(fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data", "{}")))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


class Listener:
    """Reads a stream in the background, so that nothing waits for the test."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.listens = asyncio.Event()
        """Set when everything from now on is heard."""
        self.beginning = ""
        """The first id: where it began."""
        self._found: asyncio.Queue[Sent | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for sent in sent_over(self.response):
                self.beginning = self.beginning or sent.id
                self.listens.set()
                if sent.event:
                    self._found.put_nowait(sent)
        except httpx.HTTPError:
            pass
        self.listens.set()
        self._found.put_nowait(None)

    async def next(self) -> Sent | None:
        """The next event; none when the stream has ended."""
        return await asyncio.wait_for(self._found.get(), _PATIENCE)

    async def until(self, event: str) -> list[Sent]:
        """All events up to the first of this type."""
        found: list[Sent] = []
        while not found or found[-1].event != event:
            sent = await self.next()
            assert sent is not None, [one.event for one in found]
            found.append(sent)
        return found

    def stop(self) -> None:
        self._task.cancel()


class SocketListener:
    """Reads one subscription of a WebSocket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def next(self) -> Sent | None:
        """The next event; none when the subscription has ended."""
        message = await self._socket.next()
        if message["type"] == "stream.ended":
            return None
        return Sent(message["resume"], message["event"]["type"], message["event"])


@asynccontextmanager
async def listening(client: ApiClient, path: str, **headers: str) -> AsyncIterator[Listener]:
    """A listener that hears everything from now on."""
    async with client.stream(path, **STREAM | headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        listener = Listener(response)
        try:
            await asyncio.wait_for(listener.listens.wait(), _PATIENCE)
            yield listener
        finally:
            listener.stop()
