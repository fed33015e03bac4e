"""uvicorn's HTTP/1.1 protocol with bounds on everything of a request but its body.

The head of a request is bounded in size and time. Trailer fields are dropped, and chunk framing is counted. If a
request is answered before it has arrived, a bounded rest is read and the connection closes. Malformed HTTP never
reaches the application; it is answered here in the shape of all other errors.
"""

import asyncio
from typing import ClassVar, Final

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.connections import bound_unsent_bytes
from api.errors import FRAMEWORK_PROBLEMS, PROBLEM_JSON, document
from api.middleware.headers import FIXED
from api.request_context import new_request_id

_MOST_HEAD_BYTES: Final = 64 * 1024
"""More than the application allows, so that it can answer with the exact reason where possible."""
_MOST_FRAMING_BYTES: Final = 64 * 1024
"""For chunk sizes, chunk extensions and trailer fields, beyond what one-byte chunks need."""
_FRAMING_BYTES_OF_A_BYTE: Final = 8
_MOST_DRAINED_BYTES: Final = 32 * 1024 * 1024
"""Twice the largest body of any route: many clients read the answer only after they have sent everything."""
_BAD_REQUEST, _TIMEOUT, _TOO_LARGE = 400, 408, 431
SOCKET_PATH: Final = b"/v1/ws"


class Protocol(HttpToolsProtocol):
    """One connection."""

    head_seconds: ClassVar = 10.0
    """How long the head of a request may take to arrive."""
    drain_seconds: ClassVar = 5.0
    """How long the rest of a request is read after an early answer."""

    _head_bytes = 0
    _is_in_head = False
    _is_in_body = False
    """The head is complete, the body is not."""
    _requests = 0
    """Requests whose head was complete on this connection."""
    _body_bytes = 0
    _framing_bytes = 0
    _drained_bytes = 0
    _head_deadline: asyncio.TimerHandle | None = None
    _drain_deadline: asyncio.TimerHandle | None = None
    _cut_off: asyncio.TimerHandle | None = None
    _is_upgrade = False
    """The connection goes on as a WebSocket, which another protocol speaks."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first head."""
        super().connection_made(transport)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch_head()
        self._end_drain()
        if self._cut_off is not None:
            self._cut_off.cancel()

    def begin_stream(self) -> None:
        """Keep little of what the client does not read."""
        bound_unsent_bytes(self.transport)

    def give_up(self, seconds: float) -> None:
        """Send the rest of the answer without waiting for the client, and cut it off after so many seconds."""
        self.cycle.keep_alive = False
        self.flow.resume_writing()
        self._cut_off = self.loop.call_later(seconds, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Process the next bytes within the bounds."""
        if self._drain_deadline is not None and not self._may_drain(len(data)):
            return
        was_in_body, body_bytes, number = self._is_in_body, self._body_bytes, self._requests
        super().data_received(data)
        if self._is_upgrade:
            return
        if was_in_body and self._is_in_body and number == self._requests:  # the same request's body, all of it
            self._count_framing(len(data) - (self._body_bytes - body_bytes))
        self._head_bytes = self._head_bytes + len(data) if self._is_in_head else 0
        if self._head_bytes > _MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_TOO_LARGE)
        if self._is_idle() and self._head_deadline is None:
            self._watch_head()  # an empty line before a request has ended the keep-alive timer

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["connection"] = self  # for streams that give their client up
        self._is_in_head = True
        self._watch_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Process a header field. Trailer fields must never become header fields (RFC 9110, section 6.5.1)."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._is_in_body = False, True
        self._requests += 1
        self._body_bytes = self._framing_bytes = 0
        self._unwatch_head()
        self._is_upgrade = self.parser.should_upgrade() and self._opens_socket()
        super().on_headers_complete()
        if self.parser.should_upgrade() and not self._is_upgrade:
            self.cycle.keep_alive = False  # the parser stops here: what follows is in the other protocol

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()
        if self._drain_deadline is not None:
            self._end_drain()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Keep the connection, or drain a bounded rest of the answered request."""
        super().on_response_complete()
        if self._is_in_body and self.cycle.response_complete and not self.transport.is_closing():
            self._drained_bytes = 0
            self._drain_deadline = self.loop.call_later(self.drain_seconds, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Answer malformed HTTP."""
        self._refuse(_BAD_REQUEST)

    def _opens_socket(self) -> bool:
        """Whether the request opens a WebSocket where there is one. All else is answered as if it did not ask."""
        if not self._should_upgrade_to_ws():
            return False
        is_first = self.cycle is None or self.cycle.response_complete
        is_plain = self.parser.get_method() == b"GET" and self.parser.get_http_version() == "1.1"
        at = self.url.partition(b"?")[0]
        return is_first and is_plain and at == SOCKET_PATH and self._get_upgrade() == b"websocket"

    def _should_upgrade(self) -> bool:
        return self._is_upgrade

    def _unsupported_upgrade_warning(self) -> None:
        """Stop reading an unsupported protocol, without a log line."""
        self.flow.pause_reading()

    def _is_idle(self) -> bool:
        """No request has begun, and none is being answered."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_over = self.transport.is_closing() or self.timeout_keep_alive_task is not None
        return not (self._is_in_head or self._is_in_body or is_answering or is_over)

    def _count_framing(self, count: int) -> None:
        self._framing_bytes += count
        if self._framing_bytes > _MOST_FRAMING_BYTES + _FRAMING_BYTES_OF_A_BYTE * self._body_bytes:
            self._refuse(_TOO_LARGE)

    # --- after the answer ---------------------------------------------------------------------------------

    def _may_drain(self, count: int) -> bool:
        """Whether so many more bytes may be read; if not, reading stops and the answer's end is signalled.

        Closing at once would reset the connection, and the client might lose the answer (RFC 9112, section 9.6).
        """
        self._drained_bytes += count
        if self._drained_bytes <= _MOST_DRAINED_BYTES:
            return True
        self.flow.pause_reading()
        if not self.transport.is_closing():
            self.transport.write_eof()
        return False

    def _end_drain(self) -> None:
        if self._drain_deadline is not None:
            self._drain_deadline.cancel()
            self._drain_deadline = None

    # --- the head -----------------------------------------------------------------------------------------

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
        """Answer and close: the start of the next request is unknown."""
        self._unwatch_head()
        if self._is_in_body or (self.cycle is not None and not self.cycle.response_complete):
            self.transport.close()  # its answer, or the previous one, is written or being written
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
