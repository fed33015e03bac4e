"""A database of its own with an API and a floor beside it, where bookings may pile up and trouble nothing else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench import database, tenant
from bench.floor.processes import FloorApi
from bench.history import History
from bench.http_client import HttpClient
from bench.servers import NoJournal, Servers
from bench.tenant import NINE_TO_FIVE, Tenant
from dev.ports import LOOPBACK, free_port
from dev.process import ManagedProcess
from dev.programs import Api, migrate, python_command
from dev.service import Service


@dataclass(slots=True)
class Annex:
    """One business of fifty providers who work from nine to five, and whatever is booked around it."""

    url: str
    connection: asyncpg.Connection
    tenant: Tenant
    history: History
    holdfast: HttpClient
    floor: HttpClient
    servers: Servers
    api: Api
    port: int

    async def give_own_hours(self) -> None:
        """Let every provider keep hours of their own, no two the same."""
        await tenant.give_own_hours(self.url, self.tenant)

    async def settle(self) -> None:
        """Let nothing that was written before disturb what is measured next."""
        await database.checkpoint(self.url)

    async def fresh_api(self) -> None:
        """Replace the API's process by a new one that has answered nothing yet but whether it is ready."""
        self.holdfast.close()
        await self.servers.do(self.api.stop())
        await self.servers.do(self.api.start())
        self.holdfast = HttpClient(LOOPBACK, self.port)

    def close(self) -> None:
        for client in (self.holdfast, self.floor):
            client.close()


@asynccontextmanager
async def opened(servers: Servers) -> AsyncIterator[Annex]:
    """The annex, without a single booking; leaving it ends its processes and drops its database.

    Raises:
        DevError: a process does not start.
    """
    async with AsyncExitStack() as resources:
        url = await resources.enter_async_context(database.isolated_stack(servers.floor_url))
        logs, business = servers.stack.home.logs, Tenant("bench-annex", NINE_TO_FIVE)
        environment = servers.stack.environment | {"HOLDFAST_DATABASE_URL": url}
        await servers.do(migrate(logs, environment, NoJournal()))
        await tenant.load(url, business)
        connection = await asyncpg.connect(url)
        resources.push_async_callback(connection.close)
        port = free_port()
        api = _api(servers, port, environment)
        floor = FloorApi(free_port(), logs, environment, name="annex-floor")
        for service in (api, floor):
            resources.push_async_callback(_stop, servers, service)
            await servers.do(service.start())
        history = History(connection, business)
        clients = HttpClient(LOOPBACK, port), HttpClient(LOOPBACK, floor.port)
        place = Annex(url, connection, business, history, *clients, servers, api, port)
        resources.callback(place.close)
        yield place


async def _stop(servers: Servers, service: Service) -> None:
    await servers.do(service.stop())


def _api(servers: Servers, port: int, environment: dict[str, str]) -> Api:
    """The API as the stack runs it, on another port and another database."""
    logs, own = servers.stack.home.logs, environment | {"HOLDFAST_API_PORT": str(port)}
    api = Api(f"http://{LOOPBACK}:{port}", logs, own, NoJournal())
    api.process = ManagedProcess(python_command("annex-api", "api", logs=logs, environment=own))
    return api
