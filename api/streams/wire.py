"""One WebSocket as the session sees it: messages in time, and the reasons why it is closed."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from enum import IntEnum
from typing import Final

from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.connections import Connection
from api.streams.slow_readers import CUT_OFF_SECONDS
from api.streams.stream import Ending

RESTART_SECONDS: Final = 0.5
"""How long a client has to close its side when this process stops."""
_MINUTE: Final = 60.0


class CloseCode(IntEnum):
    """RFC 6455, section 7.4, and our own."""

    UNSUPPORTED = 1003
    INTERNAL = 1011
    RESTARTING = 1012
    TRY_AGAIN = 1013
    UNAUTHENTICATED = 4401
    TOO_SLOW = 4408
    TOO_MANY = 4429


class ClosingError(Exception):
    """The connection is to be closed."""

    def __init__(self, code: CloseCode, reason: str, ending: Ending | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        """For programs: words with `_` between them."""
        self.ending = ending
        """What subscriptions are told; none: nothing."""


class Wire:
    """Sends and receives, within the bounds for one client."""

    def __init__(self, websocket: WebSocket, *, send_seconds: float, messages_per_minute: int) -> None:
        self._websocket = websocket
        self._send_seconds = send_seconds
        self._most_messages = messages_per_minute
        self._messages = 0
        self._counted_until = 0.0

    async def send(self, message: BaseModel) -> None:
        """Send one message, as soon as the client has read enough of those before.

        Raises:
            ClosingError: it has not, in time.
            WebSocketDisconnect: it is gone.
        """
        await self.send_text(message.model_dump_json(exclude_none=True))

    async def send_text(self, text: str) -> None:
        """The same for a message that is JSON already."""
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._websocket.send_text(text)
        except TimeoutError:
            raise ClosingError(CloseCode.TOO_SLOW, "too_slow", Ending.TOO_SLOW) from None

    async def receive(self) -> str:
        """The client's next message.

        Raises:
            ClosingError: it is binary, or one more than the client may send in a minute.
            WebSocketDisconnect: the client is gone.
        """
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        self._count()
        text: str | None = message.get("text")
        if text is None:
            raise ClosingError(CloseCode.UNSUPPORTED, "send_text")
        return text

    async def close(self, closing: ClosingError, last: Iterable[BaseModel] = ()) -> None:
        """Send these last messages, whether or not the client reads them, and close."""
        connection: Connection = self._websocket.scope["state"]["connection"]
        connection.give_up(RESTART_SECONDS if closing.code is CloseCode.RESTARTING else CUT_OFF_SECONDS)
        with suppress(WebSocketDisconnect):
            for message in last:
                await self.send(message)
            await self._websocket.close(closing.code, closing.reason)

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._counted_until:
            self._messages, self._counted_until = 0, now + _MINUTE
        self._messages += 1
        if self._most_messages and self._messages > self._most_messages:
            raise ClosingError(CloseCode.TOO_MANY, "too_many_messages")
