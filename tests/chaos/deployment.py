"""The stack under test, with additional APIs and workers."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import psutil
import pytest
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from api.identity.tokens import Tokens, load_tokens
from db.engine import async_url
from dev.ports import free_port
from dev.postgres_data import SUPERUSER
from dev.process import Command
from dev.programs import Api, Worker
from dev.service import Service
from dev.settings import DevSettings
from dev.stack import Stack
from dev.supervisor import Supervisor
from runtime.settings import Settings
from tests.chaos.disk import small_disk

TARGETS: Final = ("api", "worker", "temporal", "postgres")
_TOKEN_MINUTES: Final = 12 * 60
_READY_TIMEOUT_SECONDS: Final = 60.0


class Deployment:
    """A running stack, accessed from outside."""

    def __init__(self, stack: Stack, temporal: Client, tokens: Tokens, engine: AsyncEngine) -> None:
        self.stack = stack
        self.temporal = temporal
        self.tokens = tokens
        self.engine = engine
        self.notes: list[str] = []
        """Messages of the additional processes' supervisors."""
        self._others: dict[str, Service] = {}
        self._seen: dict[Path, int] = {}

    @property
    def api_urls(self) -> list[str]:
        others = [service.url for service in self._others.values() if isinstance(service, OtherApi)]
        return [self.stack.api_url, *others]

    @property
    def vendors_url(self) -> str:
        return self.stack.settings.vendors_url

    @property
    def logs(self) -> list[Path]:
        return sorted(self.stack.home.logs.rglob("*.log"))

    def new_lines(self) -> bytes:
        """The API's and the workers' log output since the last call."""
        parts = []
        for path in self.logs:
            if path.stem in ("api", "worker"):
                content = path.read_bytes()
                parts.append(content[self._seen.get(path, 0) :])
                self._seen[path] = len(content)
        return b"".join(parts)

    def pid(self, name: str) -> int | None:
        """The process id of a service; None if it does not run."""
        found = self._others.get(name)
        return (found.process if found else self.stack.process(name)).pid

    def pids(self, name: str) -> list[int]:
        """The process ids of a service and its children."""
        pid = self.pid(name)
        if pid is None:
            return []
        try:
            process = psutil.Process(pid)
            return [pid, *(child.pid for child in process.children(recursive=True))]
        except psutil.Error:
            return []

    async def backends(self, *, limit: int) -> list[int]:
        """Process ids of the API's and the worker's database connections, active ones first."""
        query = """SELECT pid FROM pg_stat_activity
            WHERE application_name LIKE 'holdfast-%'
            ORDER BY state = 'active' DESC, state_change DESC LIMIT $1"""
        connection = await self.as_superuser()
        try:
            return [row["pid"] for row in await connection.fetch(query, limit)]
        finally:
            await connection.close()

    async def as_superuser(self) -> asyncpg.Connection:
        url = self.stack.database_url.replace("//holdfast@", f"//{SUPERUSER}@", 1)
        return await asyncpg.connect(url, timeout=5, command_timeout=30)

    async def until_ready(self) -> None:
        """Wait until every API is ready and a worker runs, for at most a minute."""
        end = asyncio.get_running_loop().time() + _READY_TIMEOUT_SECONDS
        async with httpx.AsyncClient(timeout=3, trust_env=False) as http:
            while asyncio.get_running_loop().time() < end:
                if all([await _is_ready(http, url) for url in self.api_urls]) and self._has_worker:
                    return
                await asyncio.sleep(0.2)

    @property
    def _has_worker(self) -> bool:
        others = [name for name, service in self._others.items() if isinstance(service, OtherWorker)]
        return any(self.pid(name) for name in ("worker", *others))

    @asynccontextmanager
    async def beside(self, *services: Service) -> AsyncIterator[None]:
        """Run additional services, which are restarted like the others."""
        supervisor = Supervisor(restart=True, report=self.notes.append)
        try:
            for service in services:
                self._others[service.name] = service
                await supervisor.start(service)
            yield
        finally:
            for service in services:
                await supervisor.stop(service)
                self._others.pop(service.name, None)

    def other_api(self, name: str, extra: Mapping[str, str] | None = None) -> "OtherApi":
        """A second API on another port."""
        port = free_port()
        environment = self.stack.environment | {"HOLDFAST_API_PORT": str(port)} | dict(extra or {})
        return OtherApi(name, f"http://127.0.0.1:{port}", self._folder(name), environment)

    def other_worker(self, name: str, extra: Mapping[str, str] | None = None) -> "OtherWorker":
        """A second worker."""
        return OtherWorker(name, self._folder(name), self.stack.environment | dict(extra or {}))

    def _folder(self, name: str) -> Path:
        folder = self.stack.home.logs / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class _NullJournal:
    """Records nothing: these processes do not outlive the harness."""

    def started(self, command: Command, pid: int) -> None:
        """Ignore it."""

    def ended(self, name: str) -> None:
        """Ignore it."""


class OtherApi(Api):
    def __init__(self, name: str, url: str, logs: Path, environment: Mapping[str, str]) -> None:
        super().__init__(url, logs, environment, _NullJournal())
        self._name, self.url = name, url

    @property
    def name(self) -> str:
        return self._name


class OtherWorker(Worker):
    def __init__(self, name: str, logs: Path, environment: Mapping[str, str]) -> None:
        super().__init__(logs, environment, _NullJournal())
        self._name = name

    @property
    def name(self) -> str:
        return self._name


async def _is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).is_success
    except httpx.HTTPError:
        return False


@asynccontextmanager
async def running_deployment(*, on_small_disk: bool = False) -> AsyncIterator[Deployment]:
    """A temporary stack on free ports, with vendors and without rate limits; dead processes are restarted."""
    folder = Path(tempfile.mkdtemp(prefix="hf-chaos-"))  # a short path: PostgreSQL's socket lives in it
    try:
        async with AsyncExitStack() as resources:
            if on_small_disk:
                await resources.enter_async_context(small_disk(folder))
            environment = resources.enter_context(pytest.MonkeyPatch.context())
            environment.delenv("TEMPORAL_ADDRESS", raising=False)
            environment.setenv("HOLDFAST_RATE_LIMIT_PER_MINUTE", "0")
            environment.setenv("HOLDFAST_SMTP_URL", "")
            settings = DevSettings.on_free_ports(folder)
            stack = await resources.enter_async_context(Stack(settings, vendors=True, demo_data=False))
            engine = create_async_engine(async_url(stack.database_url), poolclass=NullPool)
            resources.push_async_callback(engine.dispose)
            temporal = await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)
            keys = Settings(jwt_key_file=str(stack.home.jwt_key), access_token_minutes=_TOKEN_MINUTES)
            yield Deployment(stack, temporal, load_tokens(keys), engine)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
