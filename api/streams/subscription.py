"""One subscription of a WebSocket: a stream whose events carry its id."""

from typing import Any

import structlog
from starlette.websockets import WebSocketDisconnect

from api.cursors import Cursors
from api.streams.positions import write_place
from api.streams.socket_messages import StreamEnded, Subscribed
from api.streams.stream import Ending, EventStream
from api.streams.wire import ClosingError, Wire
from db.repositories.rows import Row
from domain.callers import Caller
from domain.events import cloud_event
from runtime.json import to_json

_log = structlog.get_logger()


class Subscription:
    """Sends a stream's events over a wire that it shares with others."""

    def __init__(self, subscription_id: str, stream: EventStream, cursors: Cursors, wire: Wire) -> None:
        self.id = subscription_id
        self._stream = stream
        self._cursors = cursors
        self._wire = wire
        self._has_begun = False

    @property
    def resume(self) -> str | None:
        """Behind the last event that was sent; none: it has not begun."""
        if not self._has_begun:
            return None
        return write_place(self._cursors, self._stream.subject, self._stream.place)

    def replace_caller(self, caller: Caller) -> None:
        """The same caller has proved again who they are."""
        self._stream.caller.replace(caller)

    def ended(self, reason: Ending) -> StreamEnded:
        """What the client is told at the end."""
        return StreamEnded(id=self.id, reason=reason, resume=self.resume)

    async def run(self) -> None:
        """Send until the stream ends.

        Raises:
            ClosingError: the connection is to be closed.
            WebSocketDisconnect: the client is gone.
        """
        try:
            reason = await self._send_all()
        except (ClosingError, WebSocketDisconnect):
            raise
        except Exception as error:
            _log.warning("subscription_interrupted", error=type(error).__name__)
            reason = Ending.INTERRUPTED
        await self._wire.send(self.ended(reason))

    async def _send_all(self) -> Ending:
        async for batch in self._stream.batches():
            if isinstance(batch, Ending):
                return batch
            if not self._has_begun:
                self._has_begun = True
                await self._wire.send(Subscribed(id=self.id, resume=str(self.resume)))
            for event in batch:
                await self._wire.send_text(to_json(self._message(event)).decode())
                self._stream.note(event)  # now, not before: a message that was not sent is sent again
        raise AssertionError("a stream ends with its reason")

    def _message(self, event: Row) -> dict[str, Any]:
        resume = write_place(self._cursors, self._stream.subject, self._stream.place.behind(event))
        return {"type": "event", "id": self.id, "resume": resume, "event": cloud_event(event)}
