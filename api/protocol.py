"""HTTP/1.1 as uvicorn speaks it, with an end to how long and how large the head of a request may be.

What is no HTTP at all never reaches the application; it is answered here in the shape of all other errors.
"""

import asyncio
from typing import ClassVar, Final

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.errors import FRAMEWORK_PROBLEMS, PROBLEM_JSON, document
from api.exchange import new_request_id
from api.middleware.headers import FIXED

_MOST_HEAD_BYTES: Final = 64 * 1024
"""More than the application takes, so that it says what is too long wherever that can be told."""
_BAD_REQUEST, _TIMEOUT, _TOO_LARGE = 400, 408, 431


class Protocol(HttpToolsProtocol):
    """One connection."""

    head_seconds: ClassVar = 10.0
    """How long the head of a request may take to arrive."""

    _head_bytes = 0
    _is_in_head = False
    _head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the first request its time."""
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch_head()

    def data_received(self, data: bytes) -> None:
        """Take the next bytes; a head that grows without end is refused."""
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._is_in_head else 0
        if self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._watch_head()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._unwatch_head()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(_BAD_REQUEST)

    def _watch_head(self) -> None:
        self._unwatch_head()
        self._head_deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _unwatch_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _head_is_late(self) -> None:
        if self._is_in_head and not self.transport.is_closing():
            self._refuse(_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Answer, and close: where the next request would begin cannot be told."""
        self._unwatch_head()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # the answer to the request before is still being written
            return
        code, title = FRAMEWORK_PROBLEMS[status]
        request_id = new_request_id()
        body = orjson.dumps(document(status, code, title, title, request_id))
        headers = (
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
            *FIXED,
        )
        self.transport.write(STATUS_LINE[status])
        self.transport.write(b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n" + body)
        self.transport.close()
