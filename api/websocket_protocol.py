"""uvicorn's WebSocket protocol with bounds on what a client may cost, whatever it sends and does not read."""

import logging
from typing import Any, Final

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from api.connections import bound_unsent_bytes

MOST_MESSAGE_BYTES: Final = 64 * 1024
_MOST_FRAGMENTS: Final = 1024
"""Of one message: fragments may be empty, and so many that their number alone costs memory."""
_MOST_CONTROL_FRAMES: Final = 600
"""In a minute. Clients ping every few seconds at most."""
_MINUTE: Final = 60.0
_CLOSE_SECONDS: Final = 5.0
_RESTART_SECONDS: Final = 0.5

# uvicorn logs the address of each client, and the query.
_logger = logging.getLogger("uvicorn.websocket")
_logger.setLevel(logging.WARNING)

SERVER_OPTIONS: Final[dict[str, Any]] = {
    "ws_max_size": MOST_MESSAGE_BYTES,
    # A client that is too slow is told so before its pong is missed.
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 40.0,
    # Events are small; each connection would keep two compression windows.
    "ws_per_message_deflate": False,
}
"""What uvicorn is told beside the class."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    _is_failed = False
    """A close frame is sent, and whatever still arrives is dropped."""
    _is_given_up = False
    _control_frames = 0
    _counted_until = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _logger
        self.close_timeout = _CLOSE_SECONDS

    # --- what arrives -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Process the next bytes, unless the connection has failed."""
        if self._is_failed:
            return
        super().data_received(data)
        if not self.handshake_initiated:  # the request's head was complete, but cannot be read
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["state"]["connection"] = self  # for those who give the client up
            self.begin_stream()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= _MOST_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too_many_fragments")
        else:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        self._count_control_frame()
        super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        self._count_control_frame()
        super().handle_pong(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a complete message on. uvicorn would log a text that is not UTF-8, with a traceback."""
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "not_utf8")
        else:
            super().send_receive_event_to_app()

    def _count_control_frame(self) -> None:
        now = self.loop.time()
        if now >= self._counted_until:
            self._control_frames, self._counted_until = 0, now + _MINUTE
        self._control_frames += 1
        if self._control_frames > _MOST_CONTROL_FRAMES:
            self._fail(CloseCode.POLICY_VIOLATION, "too_many_control_frames")

    # --- what is sent -------------------------------------------------------------------------------------

    async def send(self, message: Any) -> None:
        """Send for the application; after the close frame it finds the client gone."""
        if self.close_sent:
            raise ClientDisconnected
        await super().send(message)

    def pause_writing(self) -> None:
        """The client does not read: do not read either, because pings are answered without waiting."""
        if not self._is_given_up:
            super().pause_writing()
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def begin_stream(self) -> None:
        """Keep little of what the client does not read."""
        bound_unsent_bytes(self.transport)

    # --- the end ------------------------------------------------------------------------------------------

    def give_up(self, seconds: float) -> None:
        """Send the rest without waiting for the client, and cut the connection off after so many seconds."""
        self._is_given_up = True
        self.close_timeout = seconds
        self.writable.set()
        self.loop.call_later(seconds, self.transport.abort)

    async def run_asgi(self) -> None:
        """Run the application. After it nobody keeps the connection, not even a client that does not read."""
        await super().run_asgi()
        self.loop.call_later(self.close_timeout, self.transport.abort)

    def shutdown(self) -> None:
        """Leave the end to the application: it tells the client from where to resume."""
        if not self.handshake_complete or self.close_sent:
            super().shutdown()
            return
        self.stop_keepalive()
        self.close_timeout = _RESTART_SECONDS
        self.loop.call_later(_RESTART_SECONDS, self._shut_down_late)

    def _shut_down_late(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def keepalive_timeout(self) -> None:
        """Close a connection whose client does not answer, without waiting until it has read all."""
        super().keepalive_timeout()
        self._tell_application()
        self.loop.call_later(self.close_timeout, self.transport.abort)

    def handle_parser_exception(self) -> None:
        """Send the close frame and drop what still arrives: closing at once might lose the frame."""
        if self._is_failed:
            return
        self._is_failed = self.close_sent = True
        self.stop_keepalive()
        self._tell_application()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
        self.transport.write(b"".join(self.conn.data_to_send()))
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.transport.write_eof()

    def _tell_application(self) -> None:
        sent = self.conn.close_sent
        code, reason = (CloseCode.ABNORMAL_CLOSURE, "") if sent is None else (sent.code, sent.reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": int(code), "reason": reason})

    def _fail(self, code: CloseCode, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()
