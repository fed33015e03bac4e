"""A second database with its own API and baseline, so that millions of bookings slow nothing else down."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import asyncpg

from bench import database, tenant
from bench.baseline.processes import BaselineApi
from bench.bulk_bookings import BulkBookings
from bench.http_client import HttpClient
from bench.servers import NullJournal, Servers
from bench.tenant import NINE_TO_FIVE, Tenant
from dev.ports import LOOPBACK, free_port
from dev.process import ManagedProcess
from dev.programs import Api, migrate, python_command
from dev.service import Service


@dataclass(slots=True)
class IsolatedStack:
    """One business with fifty providers who work from nine to five, and the bookings around it."""

    url: str
    """The database."""
    connection: asyncpg.Connection
    tenant: Tenant
    bookings: BulkBookings
    holdfast: HttpClient
    baseline: HttpClient
    servers: Servers
    api: Api
    port: int

    async def give_own_hours(self) -> None:
        """Give every provider different working hours."""
        await tenant.give_own_hours(self.url, self.tenant)

    async def checkpoint(self) -> None:
        """Write earlier changes to disk now, so that they do not disturb the next measurement."""
        await database.checkpoint(self.url)

    async def restart_api(self) -> None:
        """Replace the API process by a new one that has answered only readiness checks."""
        self.holdfast.close()
        await self.servers.run(self.api.stop())
        await self.servers.run(self.api.start())
        self.holdfast = HttpClient(LOOPBACK, self.port)

    def close(self) -> None:
        for client in (self.holdfast, self.baseline):
            client.close()


@asynccontextmanager
async def running_isolated_stack(servers: Servers) -> AsyncIterator[IsolatedStack]:
    """An isolated stack without bookings; on exit its processes stop and its database is dropped.

    Raises:
        DevError: a process does not start.
    """
    async with AsyncExitStack() as resources:
        url = await resources.enter_async_context(database.temporary_database(servers.baseline_url))
        logs, business = servers.stack.home.logs, Tenant("bench-isolated", NINE_TO_FIVE)
        environment = servers.stack.environment | {"HOLDFAST_DATABASE_URL": url}
        await servers.run(migrate(logs, environment, NullJournal()))
        await tenant.load(url, business)
        connection = await asyncpg.connect(url)
        resources.push_async_callback(connection.close)
        port = free_port()
        api = _api(servers, port, environment)
        baseline = BaselineApi(free_port(), logs, environment, name="isolated-baseline")
        for service in (api, baseline):
            resources.push_async_callback(_stop, servers, service)
            await servers.run(service.start())
        bookings = BulkBookings(connection, business)
        clients = HttpClient(LOOPBACK, port), HttpClient(LOOPBACK, baseline.port)
        isolated = IsolatedStack(url, connection, business, bookings, *clients, servers, api, port)
        resources.callback(isolated.close)
        yield isolated


async def _stop(servers: Servers, service: Service) -> None:
    await servers.run(service.stop())


def _api(servers: Servers, port: int, environment: dict[str, str]) -> Api:
    """The API as the stack runs it, on another port and database."""
    logs, own = servers.stack.home.logs, environment | {"HOLDFAST_API_PORT": str(port)}
    api = Api(f"http://{LOOPBACK}:{port}", logs, own, NullJournal())
    api.process = ManagedProcess(python_command("isolated-api", "api", logs=logs, environment=own))
    return api
