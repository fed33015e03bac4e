"""Clients of live streams that come back whenever they lose theirs, as the documents tell them to."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final, Protocol

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.audiences import Right
from tests.support.event_streams import STREAM, sent_over
from tests.support.sockets import socket_to

Json = dict[str, Any]

_PAUSE_SECONDS: Final = 0.05
_LOST: Final = (httpx.TransportError, httpx.StreamError)
_SOCKET_LOST: Final = (OSError, ConnectionClosed, InvalidHandshake)


@dataclass(frozen=True)
class Wish:
    """What a client wants to hear, and as whom."""

    path: str
    """Of the event stream."""
    subject: Mapping[str, str]
    """The same for a subscription."""
    token: str
    rights: tuple[Right, ...]
    """What it may hear of it."""
    after: str | None = None
    """Where it begins; none: with what happens next."""


class Way(Protocol):
    """A protocol of live streams."""

    def listen(self, url: str, wish: Wish, place: str | None) -> AsyncIterator[tuple[str, Json | None]]:
        """The place to resume from and the event, one after the other; first the place of the beginning.

        It ends when the connection does.
        """
        ...


class ServerSentEvents:
    """`text/event-stream` over connections of one pool."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def listen(self, url: str, wish: Wish, place: str | None) -> AsyncIterator[tuple[str, Json | None]]:
        headers = STREAM | {"Authorization": f"Bearer {wish.token}"}
        headers |= {} if place is None else {"Last-Event-ID": place}
        try:
            async with self._http.stream("GET", url + wish.path, headers=headers) as response:
                if response.status_code >= 500:
                    return
                assert response.status_code == 200, (wish.path, await response.aread())
                async for sent in sent_over(response):
                    if sent.id and sent.event != "stream.ended":
                        yield sent.id, sent.data or None
        except _LOST:
            return


class WebSockets:
    """One subscription over a WebSocket of its own."""

    async def listen(self, url: str, wish: Wish, place: str | None) -> AsyncIterator[tuple[str, Json | None]]:
        with suppress(*_SOCKET_LOST):
            async with socket_to(url) as socket:
                await socket.authenticate(wish.token)
                where = {} if place is None else {"after": place}
                subscribed = await socket.subscribe("it", **wish.subject, **where)
                yield subscribed["resume"], None
                async for text in socket.connection:
                    message = json.loads(text)
                    yield message["resume"], message.get("event")


@dataclass(eq=False)
class StreamClient:
    """Listens until it is stopped, at one process or another, and remembers what it has heard."""

    way: Way
    wish: Wish
    urls: Sequence[str]
    place: str | None = field(init=False)
    heard: list[str] = field(default_factory=list)
    """Ids of events."""
    listens: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    def __post_init__(self) -> None:
        self.place = self.wish.after

    async def run(self) -> None:
        """Listen for ever."""
        for url in cycle(self.urls):
            self.connections += 1
            async for place, event in self.way.listen(url, self.wish, self.place):
                self.place = place
                self.listens.set()
                if event is not None:
                    self.heard.append(event["id"])
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def listening_clients(clients: Sequence[StreamClient]) -> AsyncIterator[None]:
    """Run the clients; they all listen when the block begins."""
    tasks = [asyncio.create_task(client.run()) for client in clients]
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(*(client.listens.wait() for client in clients))
        yield
        for task in tasks:
            if task.done():
                task.result()  # raises what it failed with
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
