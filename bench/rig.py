"""What a measurement holds in its hands: connections to the servers, requests to send, and ways to look inside."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from temporalio.client import Client

from api.identity.tokens import Tokens, load_tokens
from bench import database
from bench.http_client import HttpClient, encode
from bench.servers import Servers
from bench.tenant import Person, Slot, Slots, Tenant
from dev.ports import LOOPBACK
from runtime.ids import new_id
from runtime.settings import Settings

_POLL_SECONDS = 0.1
_TOKEN_MINUTES = 12 * 60
_ADDRESS = {"line1": "12 Elm Street", "city": "Hartford", "region": "CT", "postal_code": "06103", "country": "US"}
_NOTES = "Ring twice, please."


@dataclass(slots=True)
class Rig:
    """Everything belongs to the event loop that it was made in."""

    servers: Servers
    holdfast: HttpClient
    floor: HttpClient
    temporal: Client
    database: asyncpg.Connection
    floor_database: asyncpg.Connection
    tokens: Tokens
    slots: Slots = field(init=False)
    floor_slots: Slots = field(init=False)
    _turn: int = 0

    def __post_init__(self) -> None:
        self.slots, self.floor_slots = Slots(self.tenant), Slots(self.tenant)

    @property
    def tenant(self) -> Tenant:
        return self.servers.tenant

    # --- requests -----------------------------------------------------------------------------------------

    def token(self, person: Person) -> str:
        """An access token as `/v1/auth/login` would give it: the sessions of the tenant have their users' ids."""
        return self.tokens.issue(person.user_id, person.user_id)

    def create_request(self, slot: Slot | None = None) -> bytes:
        """A request to book, by the next customer; without a slot, the next free one."""
        body = self._body(slot or self.slots.take())
        headers = {"Idempotency-Key": str(new_id())}
        return encode("POST", "/v1/bookings", token=self.token(self._customer()), body=body, headers=headers)

    def floor_request(self, slot: Slot | None = None) -> bytes:
        """The same for the floor."""
        headers = {"Idempotency-Key": str(new_id()), "X-Customer": str(self._customer().user_id)}
        return encode("POST", "/bookings", body=self._body(slot or self.floor_slots.take()), headers=headers)

    def hold_request(self) -> bytes:
        """A request to hold the next free slot, by the next customer."""
        slot = self.slots.take()
        body = {
            "business_id": self.tenant.business_id,
            "service_id": self.tenant.service_id,
            "provider_id": slot.provider.provider_id,
            "starts_at": slot.starts_at,
        }
        return encode("POST", "/v1/holds", token=self.token(self._customer()), body=body)

    def _customer(self) -> Person:
        self._turn += 1
        return self.tenant.customers[self._turn % len(self.tenant.customers)]

    def _body(self, slot: Slot) -> dict[str, object]:
        return {
            "business_id": self.tenant.business_id,
            "service_id": self.tenant.service_id,
            "provider_id": slot.provider.provider_id,
            "starts_at": slot.starts_at,
            "address": _ADDRESS,
            "notes": _NOTES,
        }

    # --- watching -----------------------------------------------------------------------------------------

    async def until_quiet(self) -> None:
        """Return once every booking has its provider and everybody has been told."""
        while await self.database.fetchval(database.BUSY):  # noqa: ASYNC110  # other processes: nothing tells us
            await asyncio.sleep(_POLL_SECONDS)

    async def assigned_at(self, booking_ids: Sequence[UUID]) -> dict[UUID, float]:
        """When the step to `assigned` of each booking was committed: seconds since the epoch."""
        return await self._moments(self.database, database.ASSIGNED_AT, booking_ids)

    async def recorded_at(self, step_ids: Sequence[UUID]) -> dict[UUID, float]:
        """Wait until the floor has recorded every step; when each was committed."""
        wanted = list(step_ids)
        while await self.floor_database.fetchval(database.COUNT_RECORDED, wanted) < len(wanted):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return await self._moments(self.floor_database, database.RECORDED_AT, wanted)

    @staticmethod
    async def _moments(connection: asyncpg.Connection, query: str, ids: Sequence[UUID]) -> dict[UUID, float]:
        return {row["id"]: row["at"] for row in await connection.fetch(query, list(ids))}


@asynccontextmanager
async def connected(servers: Servers) -> AsyncIterator[Rig]:
    """A rig in this event loop."""
    stack = servers.stack
    settings = Settings(jwt_key_file=str(stack.home.jwt_key), access_token_minutes=_TOKEN_MINUTES)
    async with AsyncExitStack() as resources:
        yield Rig(
            servers=servers,
            holdfast=_client(stack.settings.api_port, resources),
            floor=_client(servers.floor_port, resources),
            temporal=await Client.connect(stack.temporal_address),
            database=await _connection(stack.database_url, resources),
            floor_database=await _connection(servers.floor_url, resources),
            tokens=load_tokens(settings),
        )


def _client(port: int, resources: AsyncExitStack) -> HttpClient:
    client = HttpClient(LOOPBACK, port)
    resources.callback(client.close)
    return client


async def _connection(url: str, resources: AsyncExitStack) -> asyncpg.Connection:
    connection = await asyncpg.connect(url)
    resources.push_async_callback(connection.close)
    return connection
