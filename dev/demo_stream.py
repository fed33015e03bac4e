"""Prints what the customer's event stream hears, while it happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final

import httpx
from httpx_sse import EventSource, SSEError

from dev.demo_client import DemoClient, Json
from dev.errors import DevError

_SILENCE_SECONDS: Final = 30.0
"""Longer than the 15 seconds after which a stream without events sends a comment."""
_HEARD_WITHIN_SECONDS: Final = 10.0


class HeardEvents:
    """The events that one user's stream has delivered so far; each is printed as it arrives."""

    def __init__(self) -> None:
        self._heard: set[tuple[str, str]] = set()
        self._news = asyncio.Condition()

    async def wait_for(self, booking_id: str, event_type: str) -> None:
        """Wait until an event of this type about the booking has arrived.

        Raises:
            DevError: it did not arrive within ten seconds.
        """
        try:
            async with asyncio.timeout(_HEARD_WITHIN_SECONDS), self._news:
                await self._news.wait_for(lambda: (booking_id, event_type) in self._heard)
        except TimeoutError as error:
            raise DevError(f"the stream has not delivered {event_type}: see `python -m dev status`") from error

    async def add(self, event: Json) -> None:
        print(heard_line(event))
        async with self._news:
            self._heard.add((event["subject"], event["type"]))
            self._news.notify_all()


@asynccontextmanager
async def heard_by(client: DemoClient) -> AsyncIterator[HeardEvents]:
    """Listen to everything that this user may hear, from now on.

    Raises:
        DevError: the stream was refused.
    """
    heard = HeardEvents()
    async with client.stream("/v1/me/events", silence_seconds=_SILENCE_SECONDS) as response:
        listening = asyncio.create_task(_listen(response, heard))
        try:
            yield heard
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


async def _listen(response: httpx.Response, heard: HeardEvents) -> None:
    try:
        async for sent in EventSource(response).aiter_sse():
            if sent.data and sent.event != "stream.ended":  # the first one says only how soon to come back
                await heard.add(sent.json())
    except (httpx.TransportError, SSEError) as error:
        print(f"the stream broke off: {type(error).__name__}")


def heard_line(event: Json) -> str:
    """One event as a line: time, position in the business's log, and type."""
    moment = datetime.fromisoformat(event["time"]).astimezone()
    return f"  {f'{moment:%H:%M:%S.%f}'[:-3]}  heard {event['type']}, event {int(event['sequence'])}"
