"""What a caller may hear, looked up again every second for as long as they listen.

All streams of a process are looked up together: three statements a second, however many there are.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit
from db.repositories import live_rights
from db.repositories.live_rights import LiveRights
from domain.access import Permission, may
from domain.callers import Caller, KeyHolder, Principal, businesses_run_by
from domain.event_audiences import (
    EVERYTHING,
    of_booking,
    of_booking_at_desk,
    of_booking_for,
    of_booking_with,
    of_customer,
    of_provider,
)

_log = structlog.get_logger()

_EVERY: Final = 1.0

Interests = dict[UUID, frozenset[str]]
"""Of each business: the topics that somebody follows."""
CustomerRecords = frozenset[tuple[UUID, UUID]]
"""The records that a user has as a customer: business and customer."""


@dataclass(frozen=True, slots=True)
class WholeBusiness:
    """Everything that happens in one business: for its desk, and for API keys with `events:read`."""

    business_id: UUID

    def interests(self, caller: Caller, _records: CustomerRecords) -> Interests:
        """The topics that the caller may follow of it."""
        allowed = may(caller, Permission.READ_EVENTS, self.business_id)
        return {self.business_id: frozenset({EVERYTHING})} if allowed else {}


@dataclass(frozen=True, slots=True)
class OneBooking:
    """What happens to one booking."""

    business_id: UUID
    booking_id: UUID

    def interests(self, caller: Caller, records: CustomerRecords) -> Interests:
        """The topics that the caller may follow of it."""
        topics = set()
        if self.business_id in businesses_run_by(caller):
            topics.add(of_booking_at_desk(self.booking_id))
        providers = [m.provider_id for m in caller.memberships if m.business_id == self.business_id]
        topics |= {of_booking_with(self.booking_id, one) for one in providers if one is not None}
        mine = [customer_id for business_id, customer_id in records if business_id == self.business_id]
        topics |= {of_booking_for(self.booking_id, one) for one in mine}
        if caller.id == self.booking_id:  # the holder of its link
            topics.add(of_booking(self.booking_id))
        return {self.business_id: frozenset(topics)} if topics else {}


@dataclass(frozen=True, slots=True)
class AllOfMine:
    """All that a user may hear, over their businesses."""

    def interests(self, caller: Caller, records: CustomerRecords) -> Interests:
        """The topics that the caller may follow, by business."""
        topics: dict[UUID, set[str]] = {business_id: {EVERYTHING} for business_id in businesses_run_by(caller)}
        for membership in caller.memberships:
            if membership.provider_id is not None:
                topics.setdefault(membership.business_id, set()).add(of_provider(membership.provider_id))
        for business_id, customer_id in records:
            topics.setdefault(business_id, set()).add(of_customer(customer_id))
        return {business_id: frozenset(found) for business_id, found in topics.items()}


Subject = WholeBusiness | OneBooking | AllOfMine
"""What a stream is about."""


class WatchedCaller:
    """A listening caller, as the database knows them by the last look."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.records: CustomerRecords = frozenset()
        self.has_ended = False
        """Whether their login, key or link opens nothing any more."""
        self.on_change: Callable[[], None] = lambda: None

    def replace(self, caller: Caller) -> None:
        """They have proved again who they are, maybe with another login."""
        self.caller = caller

    def update(self, rights: LiveRights) -> None:
        """Take over what was found, and tell the stream if it is something else."""
        before = (self.caller, self.records, self.has_ended)
        match self.caller:
            case Principal(session_id=session_id, user_id=user_id) if session_id is not None:
                found: Caller | None = rights.users.get(session_id)
                self.records = rights.customers.get(user_id, frozenset())
            case KeyHolder(key_id=key_id, is_configured=False):
                found = rights.keys.get(key_id)
            case _:
                found = self.caller
        self.has_ended = found is None
        self.caller = found or self.caller
        if before != (self.caller, self.records, self.has_ended):
            self.on_change()


class RightsWatch:
    """Looks up the rights of everybody who listens to this process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._watched: set[WatchedCaller] = set()

    async def run(self) -> None:
        """Look every second until cancelled. While PostgreSQL is away nothing new is heard either."""
        while True:
            try:
                await self._look(self._watched)
            except Exception as error:
                _log.warning("stream_rights_failed", error=f"{type(error).__name__}: {error}".splitlines()[0])
            await asyncio.sleep(_EVERY)

    async def look_up(self, caller: Caller) -> WatchedCaller:
        """The caller as they are now, not watched yet."""
        watched = WatchedCaller(caller)
        await self._look({watched})
        return watched

    @contextmanager
    def watch(self, caller: WatchedCaller, on_change: Callable[[], None]) -> Iterator[None]:
        """Look them up every second and call `on_change` when something is different."""
        caller.on_change = on_change
        self._watched.add(caller)
        try:
            yield
        finally:
            self._watched.discard(caller)

    async def _look(self, watched: Collection[WatchedCaller]) -> None:
        asked = {one: one.caller for one in watched}
        users = [caller for caller in asked.values() if isinstance(caller, Principal)]
        keys = {caller.key_id for caller in asked.values() if isinstance(caller, KeyHolder)}
        sessions = {user.session_id for user in users if user.session_id is not None}
        if not users and not keys:
            return
        async with autocommit(self._engine) as conn:
            ids = {user.user_id for user in users}
            rights = await live_rights.find_all(conn, sessions=sessions, keys=keys, users=ids)
        for one, caller in asked.items():
            if one.caller is caller:  # else they have logged in again meanwhile: the next look asks for that
                one.update(rights)
