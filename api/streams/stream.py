"""One client's stream: what it may hear, as batches, until it ends for a reason."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from api.streams.hub import EventHub
from api.streams.rights import RightsWatch, Subject, WatchedCaller
from db.repositories.rows import Row

HEARTBEAT: Final = 15.0
"""Seconds without an event after which `batches` yields an empty batch."""


class Ending(StrEnum):
    """Why a stream ends."""

    RIGHTS_ENDED = "rights_ended"
    """The login, key or role by which the client listened is gone, or its booking is with somebody else."""
    RESTARTING = "restarting"
    """This process stops: come back, to any other."""


@dataclass(slots=True)
class EventStream:
    """A client's stream over one business or several."""

    hub: EventHub
    rights: RightsWatch
    caller: WatchedCaller
    subject: Subject
    after: Mapping[UUID, int]
    types: Sequence[str] = ()
    sent: dict[UUID, int] = field(default_factory=dict)
    """Of each business: where to resume, once the noted events have reached the client."""

    async def batches(self) -> AsyncIterator[Sequence[Row] | Ending]:
        """Events in order, an empty batch at first and as a heartbeat, and at last the reason why it ends."""
        interests = self.subject.interests(self.caller.caller, self.caller.records)
        async with self.hub.follow(interests, self.after, self.types) as follower:
            self.sent = dict(follower.positions)
            yield ()
            with self.rights.watch(self.caller, follower.wake):
                while True:
                    if self.hub.is_closing:
                        yield Ending.RESTARTING
                        return
                    wanted = {} if self.caller.has_ended else self._interests()
                    if not wanted:
                        yield Ending.RIGHTS_ENDED
                        return
                    if wanted != follower.interests:
                        await self.hub.follow_instead(follower, wanted)
                    started = asyncio.get_running_loop().time()
                    found = await follower.next(HEARTBEAT)
                    self.sent |= {key: value for key, value in follower.positions.items() if key not in self.sent}
                    if found or asyncio.get_running_loop().time() - started >= HEARTBEAT:
                        yield found

    def note(self, event: Row) -> None:
        """The event goes to the client now: its id resumes behind it."""
        self.sent[event["business_id"]] = event["position"]

    def _interests(self) -> dict[UUID, frozenset[str]]:
        return self.subject.interests(self.caller.caller, self.caller.records)
