"""Listeners to two businesses, and what each must have heard by the end, however they and the hub were treated."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.cursors import Cursors
from api.streams.hub import EventHub
from api.streams.positions import Place, read_place, write_place
from api.streams.rights import AllOfMine, OneBooking, RightsWatch, Subject, WholeBusiness
from api.streams.stream import Ending, EventStream
from db.engine import autocommit
from db.repositories import events
from domain.callers import Caller, Guest, KeyHolder, Principal, Scope
from domain.lifecycle import Role
from runtime.ids import new_id
from tests.support.audiences import Right, may_hear
from tests.support.events import add_events, example_data, place_untold
from tests.support.factories import Tenant, add_user, make_tenant

TYPES: Final = (
    "scheduling.booking.accepted",
    "scheduling.booking.flagged",
    "payment.captured",
    "notification.email.sent",
    "business.service.changed",
)
Event = Mapping[str, Any]

_TO_ALL: Final = "scheduling.booking.accepted"
_PATIENCE: Final = 5.0

_MEMBER = "INSERT INTO memberships (user_id, business_id, role, provider_id) VALUES (:user, :business, :role, :of)"
_NO_MEMBER = "DELETE FROM memberships WHERE user_id = :user AND business_id = :business"
_CUSTOMER = "INSERT INTO customers (id, business_id, user_id, name) VALUES (:record, :business, :user, 'Casey')"
_KEY = """
INSERT INTO api_keys (id, business_id, name, prefix, secret_hash, scopes, created_by)
VALUES (:key, :business, 'model', :prefix, sha256('model'), '{events:read}', :user)
"""
_CUT_HUBS = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast-hub'")


@dataclass(frozen=True)
class What:
    """What is written: events about one of two bookings."""

    count: int = 1
    booking: int = 0
    is_mine: bool = True
    """Whether it is the listening customer's."""
    providers: tuple[str | None, str | None] = (None, "ana")
    """Whom the booking leaves with these events, and who has it then."""


@dataclass(frozen=True)
class Grant:
    """A right that can be taken away from some of the listeners, and given back."""

    listeners: tuple[int, ...]
    business_ids: tuple[UUID, ...]
    revoke: str
    restore: str
    values: Mapping[str, Any]


@dataclass
class Listener:
    """A client that remembers what it has heard, and where it was."""

    caller: Caller
    subject: Subject
    rights: tuple[Right, ...]
    types: tuple[str, ...] = ()
    place: str | None = None
    """The id that it resumes from."""
    starts: dict[UUID, int] = field(default_factory=dict)
    """Of each business that it had to do with at first: where it began. Others it hears from the beginning."""
    heard: list[tuple[UUID, int]] = field(default_factory=list)
    barred: dict[UUID, int] = field(default_factory=dict)
    """Of each business in which it has no right now: how much had been written when it lost it."""
    wrong: list[str] = field(default_factory=list)
    appetite: float = float("inf")
    """How many more events it reads before it stops reading."""
    task: asyncio.Task[None] | None = None
    _hungry: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def listens(self) -> bool:
        return self.task is not None and not self.task.done()

    def feed(self, appetite: float) -> None:
        self.appetite = appetite
        self._hungry.set()

    async def listen(self, cursors: Cursors, stream: EventStream, listens: asyncio.Event) -> None:
        async with contextlib.aclosing(stream.batches()) as batches:
            async for batch in batches:
                if isinstance(batch, Ending):
                    return
                listens.set()
                for event in batch:
                    await self._until_hungry()
                    stream.note(event)
                    self.place = write_place(cursors, self.subject, stream.place)
                    self._hear(event["business_id"], event["position"])

    def _hear(self, business_id: UUID, position: int) -> None:
        self.appetite -= 1
        self.heard.append((business_id, position))
        if position > self.barred.get(business_id, position):
            self.wrong.append(f"heard {position} without a right to it")

    async def _until_hungry(self) -> None:
        while self.appetite <= 0:
            self._hungry.clear()
            await self._hungry.wait()

    def expected(self, log: Sequence[Event]) -> list[int]:
        """The positions in the log of one business that it must have heard."""
        return [
            position
            for position, event in enumerate(log, start=1)
            if position > self.starts.get(event["business_id"], 0)
            and (not self.types or event["type"] in self.types)
            and may_hear(self.rights, event)
        ]

    def heard_of(self, business_id: UUID) -> list[int]:
        return [position for one, position in self.heard if one == business_id]


class Model:
    """The businesses, their log as it must be, the listeners, and the part of an API process that serves them."""

    def __init__(self, engine: AsyncEngine, database_url: str, tenants: tuple[Tenant, Tenant]) -> None:
        self._engine = engine
        self._url = database_url
        self._tenants = tenants
        self._cursors = Cursors(b"model")
        self._logs: dict[UUID, list[Event]] = {tenant.business_id: [] for tenant in tenants}
        self.listeners: list[Listener] = []
        self._bookings = (new_id(), new_id())
        self._grants: dict[str, Grant] = {}
        self._watch = RightsWatch(engine)
        self._start_hub()

    @classmethod
    async def begin(cls, engine: AsyncEngine, database_url: str) -> "Model":
        model = cls(engine, database_url, (await make_tenant(engine), await make_tenant(engine)))
        async with engine.begin() as conn:
            await model._add_listeners(conn)
        for listener in model.listeners:
            await model.connect(listener)
        return model

    async def _add_listeners(self, conn: AsyncConnection) -> None:
        """Desk, key, provider, customer, customer of one booking, its guest, and desk here and provider there."""
        one, two = self._tenants
        (desk, customer, both), key = [await add_user(conn, "somebody") for _ in range(3)], new_id()
        b1, ana, record, later = one.business_id, one.providers["ana"], new_id(), new_id()
        self._records = (record, later)
        at_desk: dict[str, Any] = {"user": desk, "business": b1, "role": Role.OWNER, "of": None}
        keys = {"key": key, "business": b1, "prefix": f"hfk_{key.hex[-8:]}", "user": desk}
        of_ana: dict[str, Any] = {
            "user": one.principals["ana"].user_id,
            "business": b1,
            "role": Role.PROVIDER,
            "of": ana,
        }
        for statement, values in (
            (_MEMBER, at_desk),
            (_KEY, keys),
            (_CUSTOMER, {"record": record, "business": b1, "user": customer}),
            (_MEMBER, at_desk | {"user": both}),
            (_MEMBER, at_desk | {"user": both, "business": two.business_id}),
        ):
            await conn.execute(text(statement), values)
        here, there, this = b1, two.business_id, self._bookings[0]
        holder = KeyHolder(key_id=key, business_id=b1, scopes=frozenset({Scope.READ_EVENTS}))
        whole, one_booking, desk_here = WholeBusiness(b1), OneBooking(b1, this), Right(here, "desk")
        mine = (Right(here, "customer", record), Right(there, "customer", later))
        self.listeners = [
            Listener(_user(desk), whole, (desk_here,)),
            Listener(holder, whole, (desk_here,)),
            Listener(_user(of_ana["user"]), AllOfMine(), (Right(here, "provider", ana),)),
            Listener(_user(customer), AllOfMine(), mine),
            Listener(_user(customer), one_booking, (Right(here, "customer", record, this),)),
            Listener(Guest(booking_id=this), one_booking, (Right(here, "customer", None, this),)),
            Listener(_user(both), AllOfMine(), (desk_here, Right(there, "desk")), (_TO_ALL,)),
        ]
        ended, logins = "UPDATE sessions SET ended_at = {0}, end_reason = {1} WHERE id = :user", {"user": customer}
        revoked, the_key = "UPDATE api_keys SET revoked_at = {} WHERE id = :key", {"key": key}
        login = (ended.format("now()", "'logout'"), ended.format("NULL", "NULL"))
        self._grants = {
            "desk": Grant((0,), (here,), _NO_MEMBER, _MEMBER, at_desk),
            "key": Grant((1,), (here,), revoked.format("now()"), revoked.format("NULL"), the_key),
            "provider": Grant((2,), (here,), _NO_MEMBER, _MEMBER, of_ana),
            "login": Grant((3, 4), (here, there), *login, logins),
            "other desk": Grant((6,), (here,), _NO_MEMBER, _MEMBER, at_desk | {"user": both}),
        }
        self._later = {"record": later, "business": two.business_id, "user": customer}

    # --- the log --------------------------------------------------------------------------------------------

    async def write(self, business: int, type_: str, what: What) -> None:
        """Events in the log of the first or the second business, still without positions."""
        tenant = self._tenants[business]
        former, holder = (tenant.providers[name] if name else None for name in what.providers)
        members: dict[str, Any] = {
            "booking_id": self._bookings[what.booking],
            "customer_id": self._records[business] if what.is_mine else new_id(),
            "provider_id": holder,
        } | ({} if former is None else {"former_provider_id": former})
        async with self._engine.begin() as conn:
            await add_events(conn, tenant.business_id, type_, what.count, **members)
        event = {"business_id": tenant.business_id, "type": type_, "data": example_data(type_, **members)}
        self._logs[tenant.business_id] += [event] * what.count

    async def place(self) -> None:
        """Give positions, and notify."""
        async with autocommit(self._engine) as conn:
            await events.number_new(conn)

    async def place_untold(self) -> None:
        """Give positions, as if the notification got lost."""
        for tenant in self._tenants:
            await place_untold(self._engine, tenant.business_id)

    # --- the process ----------------------------------------------------------------------------------------

    def _start_hub(self) -> None:
        self.hub = EventHub(self._engine, self._url)
        self._running = asyncio.create_task(self.hub.run())

    async def restart_hub(self) -> None:
        """Stop the process's hub as a shutdown does; its clients come back to another."""
        self.hub.close()
        self._running.cancel()
        listening = [one for one in self.listeners if one.listens]
        for one in listening:
            one.feed(float("inf"))
        await _until(lambda: not any(one.listens for one in listening))
        self._start_hub()
        for one in listening:
            await self.connect(one)

    async def cut_hub(self) -> None:
        """End its connection to PostgreSQL."""
        async with autocommit(self._engine) as conn:
            await conn.execute(_CUT_HUBS)

    # --- the listeners --------------------------------------------------------------------------------------

    async def connect(self, listener: Listener) -> None:
        """Resume from where it was, unless it listens or may hear nothing now."""
        if listener.listens:
            return
        watched = await self._watch.look_up(listener.caller)
        may = listener.subject.interests(watched.caller, watched.records)
        if watched.has_ended or not (may or isinstance(listener.subject, AllOfMine)):
            assert listener.barred, "refused although it has every right"
            return
        place = await self._place_of(listener)
        stream = EventStream(self.hub, self._watch, watched, listener.subject, place, listener.types)
        listens = asyncio.Event()
        listener.task = asyncio.create_task(listener.listen(self._cursors, stream, listens))
        await _until(lambda: listens.is_set() or not listener.listens)
        if listener.place is None:
            listener.place = write_place(self._cursors, listener.subject, stream.place)
            listener.starts = dict(stream.place.positions)

    async def _place_of(self, listener: Listener) -> Place:
        if listener.place is None:
            return Place({}, await self.hub.count_written(), is_new=True)
        return read_place(self._cursors, listener.subject, listener.place)

    async def drop(self, listener: Listener) -> None:
        """Break its connection, wherever it is in what it was sent."""
        if listener.task is not None:
            listener.task.cancel()
            await asyncio.wait([listener.task])

    async def revoke(self, right: str) -> None:
        """Take a right away, and let the second pass in which that is noticed."""
        grant = self._grants[right]
        await self._change(grant.revoke, grant.values)
        for index in grant.listeners:
            for one in grant.business_ids:
                self.listeners[index].barred.setdefault(one, len(self._logs[one]))

    async def grant(self, right: str) -> None:
        """Give a right back."""
        grant = self._grants[right]
        listeners = [self.listeners[index] for index in grant.listeners]
        if any(listener.barred for listener in listeners):
            for listener in listeners:
                listener.barred.clear()
            await self._change(grant.restore, grant.values)

    async def befriend(self) -> None:
        """The customer becomes one of the other business's too."""
        if self._later:
            await self._change(_CUSTOMER, self._later)
            self._later = {}

    async def _change(self, statement: str, values: Mapping[str, Any]) -> None:
        async with self._engine.begin() as conn:
            await conn.execute(text(statement), dict(values))
        await self._watch._look(self._watch._watched)

    # --- the end --------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Give everything back, let everybody hear everything, and compare."""
        for right in self._grants:
            await self.grant(right)
        await self.befriend()
        for listener in self.listeners:
            listener.feed(float("inf"))
            await self.connect(listener)
        for business in (0, 1):
            await self.write(business, _TO_ALL, What())
        while await self._unplaced():
            await self.place()
        await _until(lambda: all(self._has_heard_the_end(listener) for listener in self.listeners))
        for number, listener in enumerate(self.listeners):
            assert listener.wrong == [], number
            for business_id, log in self._logs.items():
                assert listener.heard_of(business_id) == listener.expected(log), number

    def _has_heard_the_end(self, listener: Listener) -> bool:
        if listener.task is not None and listener.task.done():
            listener.task.result()  # raises what it failed with
        expected = {business_id: listener.expected(log) for business_id, log in self._logs.items()}
        return all(not known or known[-1] in listener.heard_of(one) for one, known in expected.items())

    async def _unplaced(self) -> bool:
        left = text("SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL AND business_id = ANY(:ids))")
        async with autocommit(self._engine) as conn:
            return bool((await conn.execute(left, {"ids": list(self._logs)})).scalar_one())

    async def end(self) -> None:
        for listener in self.listeners:
            await self.drop(listener)
        self._running.cancel()
        await asyncio.wait([self._running])


def _user(user_id: UUID) -> Principal:
    return Principal(user_id=user_id, session_id=user_id)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not holds():
            await asyncio.sleep(0.002)
