"""Who listens to what and how, for the rights matrix of streams; what each may hear, apart from the product."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.callers import CallerKind, Scope
from domain.event_catalogue import CATALOGUE
from tests.support.api_client import ApiClient
from tests.support.audiences import Right
from tests.support.callers import Caller
from tests.support.event_streams import STREAM, Listener, SocketListener, listening
from tests.support.events import add_event, place_all
from tests.support.sockets import socket_to

_LAST: Final = "scheduling.booking.created"
"""Everybody who has to do with a booking hears it."""
_LOG: Final = text("SELECT * FROM events WHERE business_id = ANY(:ids) ORDER BY business_id, position")


@dataclass
class Party:
    """A booking and those who have to do with it."""

    business_id: UUID
    booking_id: UUID
    customer_id: UUID
    provider_id: UUID


@dataclass
class Listening:
    """A caller, and what follows from what they are."""

    caller: Caller
    desks: frozenset[UUID] = frozenset()
    providers: Mapping[UUID, UUID] = field(default_factory=dict)
    """By business."""
    customers: Mapping[UUID, UUID] = field(default_factory=dict)
    """Their records, by business."""

    @property
    def rights(self) -> list[Right]:
        """All that they may hear."""
        found = [Right(business_id, "desk") for business_id in self.desks]
        found += [Right(business_id, "provider", one) for business_id, one in self.providers.items()]
        return found + [Right(business_id, "customer", one) for business_id, one in self.customers.items()]


@dataclass
class World:
    """Two businesses, three bookings, and all kinds of callers."""

    engine: AsyncEngine
    api: ApiClient
    url: str
    ours: UUID
    parties: Sequence[Party]
    """Ours with the customer and Ana, ours with the neighbour and Ben, and the other business's."""
    callers: list[Listening] = field(default_factory=list)

    @property
    def booking(self) -> Party:
        return self.parties[0]

    def client(self, one: Listening) -> ApiClient:
        return self.api if one.caller.token is None else self.api.with_token(one.caller.token)

    async def log(self) -> list[Mapping[str, Any]]:
        """All events of both businesses, in the order of their positions."""
        ids = list({party.business_id for party in self.parties})
        async with self.engine.connect() as conn:
            return [dict(row) for row in (await conn.execute(_LOG, {"ids": ids})).mappings()]

    async def write_every_type(self) -> None:
        """Events of each type about each booking, of one that leaves a provider, and at last for everybody."""
        for party in self.parties:
            async with self.engine.begin() as conn:
                for type_ in CATALOGUE:
                    await _write(conn, party, type_)
        left = replace(self.booking, provider_id=self.parties[1].provider_id)
        async with self.engine.begin() as conn:
            await _write(conn, left, "scheduling.booking.rejected", former_provider_id=self.booking.provider_id)
            for party in self.parties:
                await _write(conn, party, _LAST)
        await place_all(self.engine)


async def _write(conn: AsyncConnection, party: Party, type_: str, **more: UUID) -> None:
    members = {"booking_id": party.booking_id, "customer_id": party.customer_id, "provider_id": party.provider_id}
    await add_event(conn, party.business_id, type_, **members | more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Way:
    """A stream of server-sent events: its path, whom it admits, and what of their rights it is about."""

    name: str

    def __str__(self) -> str:
        return self.name

    async def open(
        self, world: World, one: Listening, resources: AsyncExitStack
    ) -> tuple[int, Listener | SocketListener | None]:
        """Try to listen; the status of the answer."""
        client, path = world.client(one), self.path(world)
        if self.status(world, one) == 200:
            return 200, await resources.enter_async_context(listening(client, path))
        return (await client.send("GET", path, **STREAM)).status_code, None

    def path(self, world: World) -> str:
        paths = {
            "business": f"/v1/events?business_id={world.ours}",
            "booking": f"/v1/bookings/{world.booking.booking_id}/events",
            "neighbour's booking": f"/v1/bookings/{world.parties[1].booking_id}/events",
            "mine": "/v1/me/events",
        }
        return paths[self.name]

    def status(self, world: World, one: Listening) -> int:
        """The answer to the request."""
        caller = one.caller
        if caller.kind is CallerKind.ANONYMOUS or not caller.is_valid:
            return 401
        if self.name == "mine":
            return 200 if caller.kind is CallerKind.USER else 403
        needed = Scope.READ_EVENTS if self.name == "business" else Scope.READ_BOOKINGS
        if caller.kind is CallerKind.API_KEY and needed not in caller.scopes:
            return 403
        if self.name == "business":
            return self._status_at_desk(world, one)
        return 200 if self.rights(world, one) else 404

    @staticmethod
    def _status_at_desk(world: World, one: Listening) -> int:
        if one.caller.kind is CallerKind.GUEST:
            return 403
        if world.ours in one.desks:
            return 200
        return 403 if world.ours in one.providers else 404

    def rights(self, world: World, one: Listening) -> list[Right]:
        """What may be heard over it."""
        if self.name == "mine":
            return one.rights
        if self.name == "business":
            return [right for right in one.rights if right.what == "desk" and right.business_id == world.ours]
        party = world.parties[0 if self.name == "booking" else 1]
        is_guest = one.caller.kind is CallerKind.GUEST and one.caller.is_the_customer and self.name == "booking"
        held = [Right(party.business_id, "customer")] if is_guest else one.rights
        people = {"desk": None, "provider": party.provider_id, "customer": party.customer_id}
        return [
            replace(right, booking_id=party.booking_id)
            for right in held
            if right.business_id == party.business_id and right.who in (None, people[right.what])
        ]


class SocketWay(Way):
    """The same over a WebSocket. What a key or a link has by default is what it is for."""

    def __str__(self) -> str:
        return f"{self.name} over a WebSocket"

    async def open(
        self, world: World, one: Listening, resources: AsyncExitStack
    ) -> tuple[int, Listener | SocketListener | None]:
        socket = await resources.enter_async_context(socket_to(world.url))
        login = {} if one.caller.token is None else {"token": one.caller.token}
        if (await socket.ask("authenticate", **login))["type"] == "error":
            code, _ = await socket.closed()
            return code - 4000, None
        answer = await socket.ask("subscribe", id="it", **self._subject(world))
        if answer["type"] == "error":
            return answer["problem"]["status"], None
        return 200, SocketListener(socket)

    def _subject(self, world: World) -> dict[str, str]:
        subjects = {
            "business": {"business": str(world.ours)},
            "booking": {"booking": str(world.booking.booking_id)},
            "neighbour's booking": {"booking": str(world.parties[1].booking_id)},
        }
        return subjects.get(self.name, {})

    def status(self, world: World, one: Listening) -> int:
        if not self._is_default(one):
            return super().status(world, one)
        needs_scope = one.caller.kind is CallerKind.API_KEY and Scope.READ_EVENTS not in one.caller.scopes
        return 403 if needs_scope else 200

    def rights(self, world: World, one: Listening) -> list[Right]:
        if not self._is_default(one) or one.caller.kind is CallerKind.API_KEY:
            return super().rights(world, one)
        party = world.booking if one.caller.is_the_customer else world.parties[2]
        return [Right(party.business_id, "customer", booking_id=party.booking_id)]

    def _is_default(self, one: Listening) -> bool:
        """Whether a key or a link asks for nothing in particular."""
        is_program = one.caller.kind in (CallerKind.API_KEY, CallerKind.GUEST)
        return self.name == "mine" and one.caller.is_valid and is_program


STREAMS: Final = (Way("business"), Way("booking"), Way("neighbour's booking"), Way("mine"))
WAYS: Final = (*STREAMS, *(SocketWay(stream.name) for stream in STREAMS))
