"""The hub: one tail of the event log for all who listen to this process.

A notification from whoever gives events their positions wakes it; a poll stands behind, for notifications are
lost with their connection. What is new is handed to those who follow it, in memory. A listener who is behind, or
too slow for its small buffer, reads the log itself, at its own speed, and joins the others at the end.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.notifications import Listener, listening
from db.repositories import event_tail, events
from db.repositories.rows import Row
from domain.event_audiences import topics_of
from domain.events import matches

_log = structlog.get_logger()

_PAGE: Final = 500
BUFFER: Final = 256
"""Events that wait for one listener in memory; the log keeps what is more."""
_POLL: Final = 1.0
_POLL_DEAF: Final = 0.25
"""Seconds between looks, with and without notifications."""
_LISTEN_AGAIN: Final = 1.0


@dataclass(eq=False, slots=True)
class _Tail:
    """The end of one business's log, and who waits there."""

    position: int
    followers: dict[str, set["Follower"]] = field(default_factory=dict)
    """By topic."""

    def hand_out(self, event: Row) -> None:
        self.position = event["position"]
        for topic in topics_of(event) & self.followers.keys():
            for follower in self.followers[topic]:
                follower.offer(event)


class Follower:
    """One listener's place in the logs of one or several businesses."""

    def __init__(self, hub: "EventHub", types: Iterable[str]) -> None:
        self.interests: dict[UUID, frozenset[str]] = {}
        """Of each business: the topics that it follows."""
        self.positions: dict[UUID, int] = {}
        """Of each business: everything up to here that this listener may hear has been returned."""
        self._hub = hub
        self._types = tuple(types)
        self._behind: dict[UUID, int] = {}
        """Businesses whose log is still to be read, up to this position."""
        self._buffer: deque[Row] = deque()
        self._overflowed = False
        self._wake = asyncio.Event()

    def offer(self, event: Row) -> None:
        """Take an event from the tail, once, or remember that there was no room for it."""
        if self._overflowed or (self._buffer and self._buffer[-1] is event):
            return
        if len(self._buffer) >= BUFFER:
            self._overflowed = True
            self._buffer.clear()
        else:
            self._buffer.append(event)
        self._wake.set()

    def restart(self, interests: Mapping[UUID, frozenset[str]]) -> None:
        """Forget every place; each business is begun anew."""
        self.interests, self.positions, self._behind = dict(interests), {}, {}

    def begin(self, business_id: UUID, after: int, tail: int) -> None:
        """Start behind `after` in a log whose end is `tail` by now."""
        self.positions[business_id] = after
        if after < tail:
            self._behind[business_id] = tail

    def wake(self) -> None:
        """Have `next` return at once, with or without events."""
        self._wake.set()

    async def next(self, patience: float) -> list[Row]:
        """The next events, oldest first within each business; none if nothing happens for `patience` seconds."""
        if self._overflowed:
            self._overflowed = False
            self._behind = {business_id: self._hub.position(business_id) for business_id in self.interests}
        if self._behind:
            return await self._read_log()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._wake.wait()
        self._wake.clear()
        found = [event for event in self._buffer if self._is_news(event)]
        self._buffer.clear()
        if self._overflowed:
            return []
        for event in found:
            self.positions[event["business_id"]] = event["position"]
        return [event for event in found if self._is_meant(event)]

    async def _read_log(self) -> list[Row]:
        business_id, until = next(iter(self._behind.items()))
        topics = self.interests[business_id]
        page = await self._hub.read(business_id, self.positions[business_id], self._types)
        self.positions[business_id] = page.next
        if page.next >= until:
            del self._behind[business_id]
        return [event for event in page.events if topics_of(event) & topics]

    def _is_news(self, event: Row) -> bool:
        known = self.positions.get(event["business_id"])
        return known is not None and event["position"] > known

    def _is_meant(self, event: Row) -> bool:
        return not self._types or any(matches(pattern, event["type"]) for pattern in self._types)


class EventHub:
    """Hands what is new in the event log to those who follow it."""

    def __init__(self, engine: AsyncEngine, database_url: str) -> None:
        self._engine = engine
        self._url = database_url
        self._tails: dict[UUID, _Tail] = {}
        self._followers: set[Follower] = set()
        """All of them, those too who have nothing to follow yet."""
        self._on_close: set[Callable[[], None]] = set()
        self.is_closing = False
        """Whether the process stops: streams end, and their clients come back to another."""

    def close(self) -> None:
        """Have every stream end."""
        self.is_closing = True
        for follower in self._followers:
            follower.wake()
        for call in self._on_close:
            call()

    @contextmanager
    def calling_at_close(self, call: Callable[[], None]) -> Iterator[None]:
        """Have it called if the hub closes during the block."""
        self._on_close.add(call)
        try:
            yield
        finally:
            self._on_close.discard(call)

    async def run(self) -> None:
        """Follow the log until cancelled; retries whatever fails."""
        while True:
            try:
                async with listening(self._url, events.CHANNEL, application_name="holdfast-hub") as listener:
                    await self._follow(listener)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("event_hub_deaf", error=type(error).__name__)
            await self._look_deaf()

    async def _follow(self, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()  # at once: what came before we could hear
        while not listener.is_lost:
            heard = await listener.take(max(0.0, due - loop.time()))
            if loop.time() < due:
                await self._look({UUID(one) for one in heard})
            else:  # at its time, however much is heard: a business that began to be followed may have been missed
                await self._look(None)
                due = loop.time() + _POLL

    async def _look_deaf(self) -> None:
        for _ in range(round(_LISTEN_AGAIN / _POLL_DEAF)):
            await self._look(None)
            await asyncio.sleep(_POLL_DEAF)

    async def _look(self, changed: set[UUID] | None) -> None:
        """Hand out what is new in these businesses; in all that are followed, when none are named."""
        wanted = self._tails.keys() if changed is None else self._tails.keys() & changed
        while known := {business_id: self._tails[business_id].position for business_id in wanted}:
            try:
                async with autocommit(self._engine) as conn:
                    found = await event_tail.list_new(conn, known, limit=_PAGE)
            except Exception as error:  # PostgreSQL is away: the next look finds the same events
                _log.warning("event_hub_failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
                return
            full = self._hand_out(found)
            wanted = self._tails.keys() & full

    def _hand_out(self, found: Iterable[Row]) -> set[UUID]:
        """Give out a look's events; the businesses that have filled their page, and may have more."""
        counts: dict[UUID, int] = {}
        for event in found:
            business_id = event["business_id"]
            counts[business_id] = counts.get(business_id, 0) + 1
            tail = self._tails.get(business_id)
            if tail is not None and event["position"] == tail.position + 1:
                tail.hand_out(event)
        return {business_id for business_id, count in counts.items() if count == _PAGE}

    def position(self, business_id: UUID) -> int:
        """How far a business's log has been handed out."""
        return self._tails[business_id].position

    async def read(self, business_id: UUID, after: int, types: Iterable[str]) -> events.EventRange:
        """A page of the log itself."""
        async with autocommit(self._engine) as conn:
            return await events.list_after(conn, business_id, after=after, limit=_PAGE, types=tuple(types))

    async def count_written(self) -> int:
        """How many events have been written so far, in all businesses."""
        async with autocommit(self._engine) as conn:
            return await event_tail.count_written(conn)

    async def places_at(self, business_ids: Iterable[UUID], written: int) -> dict[UUID, int]:
        """Of each business: the position behind which are all events that were written after this count."""
        async with autocommit(self._engine) as conn:
            return {one: await event_tail.last_before(conn, one, written) for one in business_ids}

    @asynccontextmanager
    async def follow(
        self,
        interests: Mapping[UUID, frozenset[str]],
        after: Mapping[UUID, int] | None = None,
        types: Iterable[str] = (),
    ) -> AsyncIterator[Follower]:
        """Follow topics of businesses, from behind the positions given, or else from now on."""
        follower = Follower(self, types)
        self._followers.add(follower)
        try:
            await self.follow_instead(follower, interests, after or {})
            yield follower
        finally:
            self._followers.discard(follower)
            former, follower.interests = follower.interests, {}
            self._leave(follower, former)

    async def follow_instead(
        self,
        follower: Follower,
        interests: Mapping[UUID, frozenset[str]],
        after: Mapping[UUID, int] | None = None,
    ) -> None:
        """Follow other topics from now on. Businesses that were followed go on from where they were."""
        await self._open_tails(interests)
        former, after = follower.interests, follower.positions if after is None else after
        follower.restart(interests)
        for business_id, topics in interests.items():
            tail = self._tails[business_id]
            follower.begin(business_id, after.get(business_id, tail.position), tail.position)
            for topic in topics:
                tail.followers.setdefault(topic, set()).add(follower)
        self._leave(follower, former)

    async def _open_tails(self, business_ids: Iterable[UUID]) -> None:
        """Know the end of each business's log; where others follow it, they know it already."""
        while new := [business_id for business_id in business_ids if business_id not in self._tails]:
            async with autocommit(self._engine) as conn:
                last = await event_tail.last_positions(conn, new)
            for business_id in new:
                self._tails.setdefault(business_id, _Tail(last.get(business_id, 0)))

    def _leave(self, follower: Follower, former: Mapping[UUID, frozenset[str]]) -> None:
        """Take a follower out of the topics that it does not follow any more."""
        for business_id, topics in former.items():
            tail = self._tails[business_id]
            for topic in topics - follower.interests.get(business_id, frozenset()):
                tail.followers[topic].discard(follower)
                if not tail.followers[topic]:
                    del tail.followers[topic]
            if not tail.followers:
                del self._tails[business_id]
