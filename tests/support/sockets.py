"""A client of `/v1/ws` for tests, made of the library that most Python programs use."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

Json = dict[str, Any]

PATIENCE_SECONDS = 10


def bookings_in(messages: list[Json]) -> set[str]:
    """The bookings that events among the messages are about."""
    return {one["event"]["data"]["bookingId"] for one in messages if one["type"] == "event"}


class Socket:
    """One connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, type_: str, **members: Any) -> None:
        """Send a message."""
        await self.connection.send(json.dumps({"type": type_, **members}))

    async def next(self) -> Json:
        """The next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            message: Json = json.loads(await self.connection.recv())
        return message

    async def until(self, type_: str) -> list[Json]:
        """All messages up to the first of this type, or event of this type."""
        found: list[Json] = []
        while not found or type_ not in (found[-1]["type"], found[-1].get("event", {}).get("type")):
            found.append(await self.next())
        return found

    async def ask(self, type_: str, **members: Any) -> Json:
        """Send a message; the next one that is no event is the answer."""
        await self.say(type_, **members)
        while (answer := await self.next())["type"] == "event":
            pass
        return answer

    async def authenticate(self, token: str) -> Json:
        answer = await self.ask("authenticate", token=token)
        assert answer["type"] == "authenticated", answer
        return answer

    async def subscribe(self, id_: str, **members: Any) -> Json:
        answer = await self.ask("subscribe", id=id_, **members)
        assert answer["type"] == "subscribed", answer
        return answer

    async def rest(self) -> list[Json]:
        """All messages until the server closes."""
        found: list[Json] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionClosed):
                while True:
                    found.append(json.loads(await self.connection.recv()))
        return found

    async def closed(self) -> tuple[int, str]:
        """The code and reason with which the server closes; messages before are dropped."""
        await self.rest()
        code, reason = self.connection.close_code, self.connection.close_reason
        assert code is not None
        return code, reason or ""


@asynccontextmanager
async def socket_to(api_url: str, **options: Any) -> AsyncIterator[Socket]:
    """Connect to the API at this URL."""
    address = api_url.replace("http", "ws", 1) + "/v1/ws"
    connection = await connect(address, compression=None, **options)
    try:
        yield Socket(connection)
    finally:
        if connection.state is not State.CLOSED:  # the library cannot close twice what the server cut off
            await connection.close()
