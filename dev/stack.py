"""The whole stack: PostgreSQL, Temporal, migrations, demo data, API, gRPC server and worker."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Self

from dev.assembly import Assembly, assemble
from dev.demo_check import needs_demo_data
from dev.environment import OWNER_URL
from dev.errors import DevError
from dev.external import require_postgres, require_temporal
from dev.home import Home
from dev.keys import ensure_signing_key
from dev.orphans import stop_orphans
from dev.ports import require_free
from dev.process import ManagedProcess
from dev.programs import migrate
from dev.reporter import NullReporter, Reporter
from dev.run_state import RunJournal
from dev.schema import SchemaStamp
from dev.service import Service
from dev.settings import DevSettings
from dev.supervisor import Supervisor


class Stack:
    """All processes of one home, as an async context manager; on exit they stop in reverse order.

    With `restart=False` a process that dies is not restarted. Tests stop and start single processes with
    `stop_process` and `start_process`, and kill them with `await stack.process(name).kill()`.

    Raises:
        DevError: on entering, if a process does not start; then all others are stopped.
    """

    def __init__(
        self,
        settings: DevSettings,
        *,
        reporter: Reporter | None = None,
        restart: bool = True,
        demo_data: bool = True,
        vendors: bool = False,
        grpc: bool = False,
        dynamic_config: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self._reporter = reporter or NullReporter()
        self._restart = restart
        self._demo_data = demo_data
        self._vendors = vendors
        self._grpc = grpc
        self._dynamic_config = dynamic_config
        self._services: dict[str, Service] = {}
        self._resources = ExitStack()

    @property
    def database_url(self) -> str:
        """With the role that owns the schema."""
        return self._parts.database_url

    @property
    def temporal_address(self) -> str:
        return self._parts.temporal_address

    @property
    def api_url(self) -> str:
        return self.settings.api_url

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the API, the gRPC server and the worker, for additional processes."""
        return dict(self._parts.environment)

    def process(self, name: str) -> ManagedProcess:
        """The process named postgres, temporal, vendors, api, grpc or worker."""
        return self._services[name].process

    async def failed(self) -> DevError:
        """Wait until the supervisor gives a process up; returns the reason."""
        return await asyncio.shield(self._supervisor.failed)

    async def stop_process(self, name: str) -> None:
        """Stop one process without restarting it."""
        await self._supervisor.stop(self._services[name])

    async def start_process(self, name: str) -> None:
        """Start a process that was stopped, or that died with `restart=False`."""
        await self._supervisor.start(self._services[name])

    def stop_faster(self) -> None:
        """Finish a pending stop as fast as is safe."""
        for service in self._services.values():
            service.process.stop_faster()

    async def __aenter__(self) -> Self:
        self._supervisor = Supervisor(restart=self._restart, report=self._reporter.note)
        try:
            await self._start()
        except BaseExceptionGroup as group:
            await self._stop()
            raise _first_of(group) from None
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await self._supervisor.stop_watching()
        for service in reversed(self._services.values()):
            if service.process.running:
                with self._reporter.step(f"stopping {service.name}"):
                    await service.stop()
        self._resources.close()

    async def _start(self) -> None:
        self._resources.enter_context(self.home.locked())
        for name in await stop_orphans(self.home.run_state):
            self._reporter.note(f"stopped {name}, left behind by a killed stack")
        self._check_ports()
        ensure_signing_key(self.home.jwt_key)
        self._assemble()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_temporal())
            group.create_task(self._start_database())
            group.create_task(self._start_vendors())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_service(self._parts.api, "API"))
            group.create_task(self._start_service(self._parts.worker, "worker"))
            if self._parts.grpc:
                group.create_task(self._start_service(self._parts.grpc, "gRPC server"))
        if self._demo_data:
            await self._load_demo_data()

    def _check_ports(self) -> None:
        require_free(self.settings.api_port, "HOLDFAST_API_PORT")
        if self._grpc:
            require_free(self.settings.grpc_port, "HOLDFAST_GRPC_PORT")
        if self._vendors:
            require_free(self.settings.vendors_port, "HOLDFAST_VENDORS_PORT")
            require_free(self.settings.vendors_smtp_port, "HOLDFAST_VENDORS_SMTP_PORT")
            require_free(self.settings.vendors_s3_port, "HOLDFAST_VENDORS_S3_PORT")
        if not self.settings.temporal_address:
            require_free(self.settings.temporal_port, "HOLDFAST_TEMPORAL_PORT")
            require_free(self.settings.temporal_ui_port, "HOLDFAST_TEMPORAL_UI_PORT")

    def _assemble(self) -> None:
        self._journal = RunJournal(self.home.run_state)
        self._resources.callback(self._journal.close)
        self._parts: Assembly = assemble(
            self.settings, self.home, self._journal, self._dynamic_config, vendors=self._vendors, grpc=self._grpc
        )
        self._services = {service.name: service for service in self._parts.services()}
        self._journal.record_urls(self._urls())

    def _urls(self) -> dict[str, str]:
        urls = {"api": self.api_url}
        if self._grpc:
            urls["grpc"] = self.settings.grpc_address
        if self._parts.postgres:  # the URL of the user's own database may contain a password
            urls["database"] = self.database_url
        if self.settings.temporal_ui_url:
            urls["temporal ui"] = self.settings.temporal_ui_url
        if self._vendors:
            urls["vendors"] = self.settings.vendors_url
        return urls

    async def _start_service(self, service: Service, title: str) -> None:
        with self._reporter.step(title):
            await self._supervisor.start(service)

    async def _start_temporal(self) -> None:
        if self._parts.temporal:
            await self._start_service(self._parts.temporal, "Temporal server and UI")
        else:
            await require_temporal(self._parts.environment)

    async def _start_vendors(self) -> None:
        if self._parts.simulator:
            await self._start_service(self._parts.simulator, "simulated vendors")

    async def _start_database(self) -> None:
        if self._parts.postgres:
            await self._start_service(self._parts.postgres, "PostgreSQL")
        else:
            await require_postgres(self._parts.environment["HOLDFAST_DATABASE_URL"], "HOLDFAST_DATABASE_URL")
            await require_postgres(self.database_url, OWNER_URL)
        with self._reporter.step("migrations"):
            await self._migrate()

    async def _migrate(self) -> None:
        """Migrate; the embedded database only if there are new migrations, because nothing else changes it."""
        stamp = SchemaStamp(self.home.schema)
        if self._parts.postgres and await stamp.is_current(self.database_url):
            return
        environment = self._parts.environment | {OWNER_URL: self.database_url}
        await migrate(self.home.logs, environment, self._journal)
        if self._parts.postgres:
            await stamp.update(self.database_url)

    async def _load_demo_data(self) -> None:
        with self._reporter.step("demo data"):
            if await needs_demo_data(self.database_url):
                from dev import demo_data  # noqa: PLC0415  # slow to import

                await demo_data.load(self.api_url, self.database_url)
            if self._parts.simulator:
                from dev import demo_vendors  # noqa: PLC0415
                from dev.demo_vendors import SimulatorUrls  # noqa: PLC0415

                urls = SimulatorUrls(self.settings.vendors_url, self.settings.s3_url)
                connect = partial(demo_vendors.connect, self.api_url, urls)
                await connect()
                self._parts.simulator.on_start = connect


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of concurrent steps."""
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
