"""The measured servers: a temporary stack, and the baseline on the same PostgreSQL and Temporal."""

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
from bench.baseline.processes import BASELINE_API, BASELINE_WORKER, BaselineApi, BaselineWorker
from bench.resource_usage import Usage, usage_of, usage_of_this_process
from bench.tenant import Tenant
from dev.ports import free_port
from dev.process import Command, ManagedProcess
from dev.programs import migrate
from dev.reporter import Reporter
from dev.settings import DevSettings
from dev.stack import Stack

T = TypeVar("T")

CLIENT = "client"
"""The benchmark process: it starts the baseline's workflows."""


@dataclass(frozen=True, slots=True)
class Servers:
    """The running processes and their addresses."""

    stack: Stack
    baseline_url: str
    """URL of the baseline's database."""
    baseline_port: int
    tenant: Tenant
    baseline_processes: dict[str, ManagedProcess]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    """The event loop that started them."""

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the servers' event loop: the load generator's loop cannot start and stop processes."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def process(self, name: str) -> ManagedProcess:
        return self.baseline_processes.get(name) or self.stack.process(name)

    def everything(self) -> tuple[str, ...]:
        """The names of all processes of the benchmark."""
        return ("postgres", "temporal", "api", "grpc", "worker", "vendors", *self.baseline_processes, CLIENT)

    def usage(self, names: Sequence[str]) -> dict[str, Usage]:
        """The resource usage of processes up to now, each with its children."""
        return {name: self._usage(name) for name in names}

    def _usage(self, name: str) -> Usage:
        if name == CLIENT:
            return usage_of_this_process()
        pid = self.process(name).pid
        assert pid, f"{name} does not run"
        return usage_of(pid)


@asynccontextmanager
async def running_servers(reporter: Reporter) -> AsyncIterator[Servers]:
    """Servers in a temporary folder; on exit every process is stopped and the folder removed.

    Raises:
        DevError: a server does not start.
    """
    with _temporary_home() as home:
        with reporter.step("PostgreSQL with commit timestamps"):
            baseline_url = await database.prepare(home)
        async with AsyncExitStack() as resources:
            # The load has few users; bench.measurements.limits measures the cost of rate limits.
            os.environ["HOLDFAST_RATE_LIMIT_PER_MINUTE"] = "0"
            # A thousand clients listen from one address.
            os.environ["HOLDFAST_STREAMS_PER_CALLER"] = os.environ["HOLDFAST_STREAMS_PER_ADDRESS"] = "0"
            os.environ["HOLDFAST_SMTP_URL"] = ""  # bookings and effects are measured separately
            settings = DevSettings.on_free_ports(home)
            stack = Stack(settings, reporter=reporter, restart=False, demo_data=False, vendors=True, grpc=True)
            await resources.enter_async_context(stack)
            with reporter.step("baseline"):
                servers = await _add_baseline(stack, baseline_url, resources)
            yield servers


@contextmanager
def _temporary_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _add_baseline(stack: Stack, baseline_url: str, resources: AsyncExitStack) -> Servers:
    environment = stack.environment | {"HOLDFAST_DATABASE_URL": baseline_url}
    await migrate(stack.home.logs, environment, NullJournal())
    await database.make_baseline_table(baseline_url)
    business = Tenant()
    for url in (stack.database_url, baseline_url):
        await tenant.load(url, business)
    api = BaselineApi(free_port(), stack.home.logs, environment)
    worker = BaselineWorker(await Client.connect(stack.temporal_address), stack.home.logs, environment)
    for service in (api, worker):
        resources.push_async_callback(service.stop)
    await asyncio.gather(api.start(), worker.start())
    processes = {BASELINE_API: api.process, BASELINE_WORKER: worker.process}
    return Servers(stack, baseline_url, api.port, business, processes)


class NullJournal:
    """Records nothing: these processes do not outlive the benchmark."""

    def started(self, command: Command, pid: int) -> None: ...

    def ended(self, name: str) -> None: ...
