"""Ends an event stream whose client does not read: it says from where to resume, and cuts the connection off.

What is sent waits in the connection's buffer, of 64 KiB, and the stream with it. Nothing more is kept for anybody.
"""

import asyncio
import re
from typing import Final

import orjson
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from api.connections import Connection
from api.deps import AppState
from api.streams.stream import Ending
from runtime.metrics import STREAM_ENDS, STREAMS_OPEN

CUT_OFF_SECONDS: Final = 5.0
"""How long a connection is kept for a client that was too slow, so that it can read why."""
_LOOK_SECONDS: Final = 1.0
_ID: Final = re.compile(rb"^id: (.*)$", re.MULTILINE)


class _ClientTooSlowError(Exception):
    pass


class StreamRoute(APIRoute):
    """A route that answers with an event stream."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and end the answer early if the client does not read it."""
        connection: Connection = scope["state"]["connection"]
        connection.begin_stream()
        guard = _Guard(scope["app"].state.holdfast, connection, send)
        with STREAMS_OPEN.labels("sse").track_inprogress():
            try:
                await super().handle(scope, receive, guard.send)
            except Exception:
                # Whatever the framework makes of an answer that was ended under its hands.
                if not guard.has_ended:
                    raise
            if guard.has_ended:
                STREAM_ENDS.labels("sse", Ending.TOO_SLOW).inc()


class _Guard:
    """Sends a stream's answer, each piece within the time that its client has to read."""

    def __init__(self, app: AppState, connection: Connection, send: Send) -> None:
        self._hub = app.hub
        self._patience = app.settings.stream_send_seconds
        self._connection = connection
        self._send = send
        self._id: bytes | None = None
        """Of the last event that was sent."""
        self.has_ended = False

    async def send(self, message: Message) -> None:
        """Send one message, or the end.

        Raises:
            _ClientTooSlowError: it was the end.
        """
        if message["type"] != "http.response.body":
            return await self._send(message)
        if not await self._is_sent(message):
            await self._end()
        found = _ID.findall(message["body"])
        self._id = found[-1] if found else self._id
        return None

    async def _is_sent(self, message: Message) -> bool:
        """Whether the message went out in time. Of one that did not, nothing went out: it waited for others."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while True:
            try:
                async with asyncio.timeout(min(self._patience, _LOOK_SECONDS)):
                    await self._send(message)
            except TimeoutError:
                if self._hub.is_closing or loop.time() >= until:
                    return False
            else:
                return True

    async def _end(self) -> None:
        reason = Ending.RESTARTING if self._hub.is_closing else Ending.TOO_SLOW
        said = b"event: stream.ended\ndata: %s\n" % orjson.dumps({"reason": reason})
        said += b"" if self._id is None else b"id: %s\n" % self._id
        self.has_ended = True
        self._connection.give_up(CUT_OFF_SECONDS)
        await self._send({"type": "http.response.body", "body": said + b"\n", "more_body": False})
        raise _ClientTooSlowError
