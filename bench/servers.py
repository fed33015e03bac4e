"""The servers that everything is measured on: a stack of its own, and the floor beside it on the same servers."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import Client

from bench import database, tenant
from bench.floor.processes import FLOOR_API, FLOOR_WORKER, FloorApi, FloorWorker
from bench.processes import Usage, usage_of, usage_of_this_process
from bench.tenant import Tenant
from dev.ports import free_port
from dev.process import Command, ManagedProcess
from dev.programs import migrate
from dev.reporter import Reporter
from dev.settings import DevSettings
from dev.stack import Stack

T = TypeVar("T")

CLIENT = "client"
"""The bench itself: it is the one that calls the bare Temporal floor."""


@dataclass(frozen=True, slots=True)
class Servers:
    """What runs, and where."""

    stack: Stack
    floor_url: str
    """The floor's database."""
    floor_port: int
    tenant: Tenant
    floor_processes: dict[str, ManagedProcess]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    """The one that they were started in."""

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done in the servers' own loop: the load's cannot start and stop processes."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def process(self, name: str) -> ManagedProcess:
        return self.floor_processes.get(name) or self.stack.process(name)

    def everything(self) -> tuple[str, ...]:
        """The names of all that is ours."""
        return ("postgres", "temporal", "api", "worker", "vendors", *self.floor_processes, CLIENT)

    def usage(self, names: Sequence[str]) -> dict[str, Usage]:
        """What processes have used until now, each with its children."""
        return {name: self._usage(name) for name in names}

    def _usage(self, name: str) -> Usage:
        if name == CLIENT:
            return usage_of_this_process()
        pid = self.process(name).pid
        assert pid, f"{name} does not run"
        return usage_of(pid)


@asynccontextmanager
async def running_servers(reporter: Reporter) -> AsyncIterator[Servers]:
    """Servers in a temporary folder; leaving it stops every process and removes the folder.

    Raises:
        DevError: a server does not start.
    """
    with _temporary_home() as home:
        with reporter.step("PostgreSQL with commit timestamps"):
            floor_url = await database.prepare(home)
        async with AsyncExitStack() as resources:
            # A load has few users and no patience; bench.measurements.limits says what counting requests costs.
            os.environ["HOLDFAST_RATE_LIMIT_PER_MINUTE"] = "0"
            os.environ["HOLDFAST_SMTP_URL"] = ""  # bookings and effects are measured apart
            settings = DevSettings.on_free_ports(home)
            stack = Stack(settings, reporter=reporter, restart=False, demo_data=False, vendors=True)
            await resources.enter_async_context(stack)
            with reporter.step("floor"):
                servers = await _add_floor(stack, floor_url, resources)
            yield servers


@contextmanager
def _temporary_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _add_floor(stack: Stack, floor_url: str, resources: AsyncExitStack) -> Servers:
    environment = stack.environment | {"HOLDFAST_DATABASE_URL": floor_url}
    await migrate(stack.home.logs, environment, NoJournal())
    await database.make_floor_table(floor_url)
    business = Tenant()
    for url in (stack.database_url, floor_url):
        await tenant.load(url, business)
    api = FloorApi(free_port(), stack.home.logs, environment)
    worker = FloorWorker(await Client.connect(stack.temporal_address), stack.home.logs, environment)
    for service in (api, worker):
        resources.push_async_callback(service.stop)
    await asyncio.gather(api.start(), worker.start())
    processes = {FLOOR_API: api.process, FLOOR_WORKER: worker.process}
    return Servers(stack, floor_url, api.port, business, processes)


class NoJournal:
    """Migrations end before anything could crash: nothing to remember."""

    def started(self, command: Command, pid: int) -> None: ...

    def ended(self, name: str) -> None: ...
