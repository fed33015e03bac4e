"""The test bed of all measurements: connections to the servers, encoded requests, queries of internal state."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from temporalio.client import Client

from api.grpc.booking_service_pb2 import CreateBookingRequest
from api.grpc.messages import made
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
class Testbed:
    """Belongs to the event loop in which it was created."""

    servers: Servers
    holdfast: HttpClient
    baseline: HttpClient
    temporal: Client
    database: asyncpg.Connection
    baseline_database: asyncpg.Connection
    tokens: Tokens
    slots: Slots = field(init=False)
    baseline_slots: Slots = field(init=False)
    _customers_used: int = 0

    def __post_init__(self) -> None:
        self.slots, self.baseline_slots = Slots(self.tenant), Slots(self.tenant)

    @property
    def tenant(self) -> Tenant:
        return self.servers.tenant

    # --- requests -----------------------------------------------------------------------------------------

    def token(self, person: Person) -> str:
        """An access token like those of `/v1/auth/login`: the tenant's sessions have their users' ids."""
        return self.tokens.issue(person.user_id, person.user_id)

    def create_request(self, slot: Slot | None = None) -> bytes:
        """A request to create a booking, by the next customer; default: in the next free slot."""
        body = self._body(slot or self.slots.take())
        headers = {"Idempotency-Key": str(new_id())}
        return encode("POST", "/v1/bookings", token=self.token(self._customer()), body=body, headers=headers)

    def grpc_create_request(self) -> tuple[CreateBookingRequest, tuple[tuple[str, str], ...]]:
        """The same request and its metadata for gRPC."""
        metadata = (
            ("x-internal-token", self.servers.stack.home.grpc_token.read_text()),
            ("authorization", f"Bearer {self.token(self._customer())}"),
            ("idempotency-key", str(new_id())),
        )
        return made(CreateBookingRequest, self._body(self.slots.take())), metadata

    def baseline_request(self, slot: Slot | None = None) -> bytes:
        """The same request for the baseline."""
        headers = {"Idempotency-Key": str(new_id()), "X-Customer": str(self._customer().user_id)}
        return encode("POST", "/bookings", body=self._body(slot or self.baseline_slots.take()), headers=headers)

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
        self._customers_used += 1
        return self.tenant.customers[self._customers_used % len(self.tenant.customers)]

    def _body(self, slot: Slot) -> dict[str, object]:
        return {
            "business_id": self.tenant.business_id,
            "service_id": self.tenant.service_id,
            "provider_id": slot.provider.provider_id,
            "starts_at": slot.starts_at,
            "address": _ADDRESS,
            "notes": _NOTES,
        }

    # --- internal state -----------------------------------------------------------------------------------

    async def until_quiet(self) -> None:
        """Wait until every booking has a provider and all messages are written."""
        while await self.database.fetchval(database.BUSY):  # noqa: ASYNC110  # other processes: there is no event to wait for
            await asyncio.sleep(_POLL_SECONDS)

    async def assigned_at(self, booking_ids: Sequence[UUID]) -> dict[UUID, float]:
        """Commit times of each booking's step to `assigned`: seconds since the epoch."""
        return await self._moments(self.database, database.ASSIGNED_AT, booking_ids)

    async def recorded_at(self, step_ids: Sequence[UUID]) -> dict[UUID, float]:
        """Wait until the baseline has recorded every step; returns the commit times."""
        wanted = list(step_ids)
        while await self.baseline_database.fetchval(database.COUNT_RECORDED, wanted) < len(wanted):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return await self._moments(self.baseline_database, database.RECORDED_AT, wanted)

    @staticmethod
    async def _moments(connection: asyncpg.Connection, query: str, ids: Sequence[UUID]) -> dict[UUID, float]:
        return {row["id"]: row["at"] for row in await connection.fetch(query, list(ids))}


@asynccontextmanager
async def connected(servers: Servers) -> AsyncIterator[Testbed]:
    """A test bed in this event loop."""
    stack = servers.stack
    settings = Settings(jwt_key_file=str(stack.home.jwt_key), access_token_minutes=_TOKEN_MINUTES)
    async with AsyncExitStack() as resources:
        yield Testbed(
            servers=servers,
            holdfast=_client(stack.settings.api_port, resources),
            baseline=_client(servers.baseline_port, resources),
            temporal=await Client.connect(stack.temporal_address),
            database=await _connection(stack.database_url, resources),
            baseline_database=await _connection(servers.baseline_url, resources),
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
