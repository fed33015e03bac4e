"""One client's stream: what it may hear, as batches, until it ends for a reason."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from api.streams.hub import EventHub
from api.streams.rights import AllOfMine, RightsWatch, Subject, WatchedCaller
from db.repositories.rows import Row
from domain.callers import Principal

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
    after: Mapping[UUID, int]
    types: Sequence[str] = ()
    ends_at: float | None = None
    """When the token ends that opened it, in seconds since the epoch; none: somebody else watches that."""
    since: datetime | None = None
    """When the client was where it goes on from, for who they have become a customer of since; none: now."""
    sent: dict[UUID, int] = field(default_factory=dict)
    """Of each business: where to resume, once the noted events have reached the client."""

    async def batches(self) -> AsyncIterator[Sequence[Row] | Ending]:
        """Events in order, and at last the reason why it ends.

        An empty batch says that nothing is missed from now on; later ones are heartbeats.
        """
        interests = self._interests()
        places = self.after if self.since is None else await self._places(interests, self.after)
        self.since = self.since or datetime.now(UTC)
        async with self.hub.follow(interests, places, self.types) as follower:
            self.sent = dict(follower.positions)
            with self.rights.watch(self.caller, follower.wake):
                if (ending := self._ending()) is None:
                    yield ()
                while ending is None:
                    wanted = self._interests()
                    if wanted != follower.interests:
                        places = await self._places(wanted, follower.positions)
                        await self.hub.follow_instead(follower, wanted, places)
                        self.sent = follower.positions | self.sent
                    started = asyncio.get_running_loop().time()
                    found = await follower.next(self._patience())
                    if found or asyncio.get_running_loop().time() - started >= HEARTBEAT:
                        yield found
                    ending = self._ending()
                yield ending

    def note(self, event: Row) -> None:
        """The event goes to the client now: its id resumes behind it."""
        self.sent[event["business_id"]] = event["position"]

    def _ending(self) -> Ending | None:
        if self.hub.is_closing:
            return Ending.RESTARTING
        if self.caller.has_ended or not (self._interests() or isinstance(self.subject, AllOfMine)):
            return Ending.RIGHTS_ENDED
        return Ending.TOKEN_EXPIRED if self._left() <= 0 else None

    def _left(self) -> float:
        """Seconds until the token ends."""
        return HEARTBEAT if self.ends_at is None else self.ends_at - time.time()

    def _patience(self) -> float:
        return min(HEARTBEAT, self._left())

    async def _places(self, interests: Collection[UUID], known: Mapping[UUID, int]) -> Mapping[UUID, int]:
        """Where to go on in each business: also where the caller has become a customer meanwhile."""
        places, caller = dict(known), self.caller.caller
        if isinstance(self.subject, AllOfMine) and isinstance(caller, Principal) and self.since:
            for business_id in set(interests) - known.keys():
                place = await self.hub.position_before_customer(business_id, caller.user_id, self.since)
                places |= {} if place is None else {business_id: place}
        return places

    def _interests(self) -> dict[UUID, frozenset[str]]:
        return self.subject.interests(self.caller.caller, self.caller.records)
