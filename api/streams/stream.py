"""One client's stream: what it may hear, as batches, until it ends for a reason."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from api.streams.hub import EventHub
from api.streams.positions import Place
from api.streams.rights import AllOfMine, Interests, RightsWatch, Subject, WatchedCaller
from db.repositories.rows import Row

HEARTBEAT: Final = 15.0
"""Seconds without an event after which `batches` yields an empty batch."""


class Ending(StrEnum):
    """Why a stream ends."""

    RIGHTS_ENDED = "rights_ended"
    """The login, key or role by which the client listened is gone, or its booking is with somebody else."""
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  # a reason, no secret
    """The token that opened it has ended."""
    TOO_SLOW = "too_slow"
    """The client has not read what was sent."""
    RESTARTING = "restarting"
    """This process stops: come back, to any other."""
    INTERRUPTED = "interrupted"
    """Something failed on our side: come back."""


@dataclass(slots=True)
class EventStream:
    """A client's stream over one business or several."""

    hub: EventHub
    rights: RightsWatch
    caller: WatchedCaller
    subject: Subject
    place: Place
    """Where it goes on, and where to resume once the noted events have reached the client."""
    types: Sequence[str] = ()
    ends_at: float | None = None
    """When the token ends that opened it, in seconds since the epoch; none: somebody else watches that."""

    async def batches(self) -> AsyncGenerator[Sequence[Row] | Ending, None]:
        """Events in order, an empty batch at first and as a heartbeat, and at last the reason why it ends."""
        interests = self._interests()
        after = {} if self.place.is_new else await self._positions(interests)
        async with self.hub.follow(interests, after, self.types) as follower:
            self._join(follower.positions)
            yield ()
            with self.rights.watch(self.caller, follower.wake):
                while (ending := self._ending()) is None:
                    interests = self._interests()
                    if interests != follower.interests:
                        self.place.positions |= follower.positions
                        await self.hub.follow_instead(follower, interests, await self._positions(interests))
                        self._join(follower.positions)
                    started = asyncio.get_running_loop().time()
                    found = await follower.next(self._patience())
                    if found or asyncio.get_running_loop().time() - started >= HEARTBEAT:
                        yield found
                yield ending

    def note(self, event: Row) -> None:
        """The event goes to the client now: its id resumes behind it."""
        self.place.positions[event["business_id"]] = event["position"]

    def _ending(self) -> Ending | None:
        if self.hub.is_closing:
            return Ending.RESTARTING
        has_none = not self._interests() and not isinstance(self.subject, AllOfMine)  # a user may get some later
        if self.caller.has_ended or has_none:
            return Ending.RIGHTS_ENDED
        return Ending.TOKEN_EXPIRED if self._left() <= 0 else None

    def _left(self) -> float:
        """Seconds until the token ends."""
        return HEARTBEAT if self.ends_at is None else self.ends_at - time.time()

    def _patience(self) -> float:
        return min(HEARTBEAT, self._left())

    async def _positions(self, interests: Interests) -> dict[UUID, int]:
        """Where to go on in each business; one that is new to the client is heard from where its stream began."""
        new = interests.keys() - self.place.positions.keys()
        return self.place.positions | (await self.hub.places_at(new, self.place.began_at) if new else {})

    def _join(self, positions: Mapping[UUID, int]) -> None:
        """Know where to resume in businesses that have had no event yet."""
        self.place.positions = {**positions, **self.place.positions}

    def _interests(self) -> Interests:
        return self.subject.interests(self.caller.caller, self.caller.records)
