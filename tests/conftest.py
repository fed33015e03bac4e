"""Shared fixtures: one real PostgreSQL and one real Temporal server per run, and a tenant per test.

Every test creates its own business, so that tests share servers without affecting each other.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from playwright.async_api import Browser, Page
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from api.app import create_app
from db.__main__ import main as db_main
from db.engine import create_engine
from dev.keys import ensure_signing_key
from dev.ports import free_port
from dev.postgres import APP_ROLE, DATABASE, EmbeddedPostgres
from dev.postgres_data import SUPERUSER
from dev.temporal import TIME_SKIPPING, DevTemporal
from runtime import temporal as temporal_client
from runtime.secrets import new_key
from runtime.settings import Settings
from tests.support.accounts import forget_attempts
from tests.support.api_client import ApiClient
from tests.support.browser import find_browser, opened_page, running_browser
from tests.support.factories import Tenant, make_tenant
from tests.support.servers import served
from tests.support.simulator import Simulator, simulated_vendors
from worker.main import running_worker

ONE_YEAR = 365 * 86_400
"""Longer than any test: tests start checks of external calendars themselves."""


_FIRST = ("e2e", "chaos", "dev", "integration/api/test_schemathesis.py", "workflows")
"""Slow tests run first, so that no process runs them alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group tests for parallel runs: those of one file, or of one stack, run in the same process."""
    folder = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(folder).as_posix()
        return next((number for number, name in enumerate(_FIRST) if path.startswith(name)), len(_FIRST))

    for item in items:
        path = item.path.relative_to(folder)
        item.add_marker(pytest.mark.xdist_group(path.parts[0] if path.parts[0] == "e2e" else path.as_posix()))
    items.sort(key=place)


@pytest.fixture(scope="session")
def servers_home() -> Iterator[Path]:
    """A folder for the servers of this run; its path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres(servers_home: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A running PostgreSQL."""
    server = EmbeddedPostgres(servers_home)
    await server.start()
    await _grant_application_role(server)
    try:
        yield server
    finally:
        await server.stop()


async def _grant_application_role(server: EmbeddedPostgres) -> None:
    """Let the tests' role see what the application's connections wait for, and terminate them."""
    connection = await asyncpg.connect(server.url_for("postgres", role=SUPERUSER))
    try:
        await connection.execute(f"GRANT {APP_ROLE} TO {DATABASE}")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def temporal(servers_home: Path) -> AsyncIterator[DevTemporal]:
    """A running Temporal server with time skipping; the environment contains its address."""
    server = DevTemporal(servers_home, port=free_port(), dynamic_config=TIME_SKIPPING)
    await server.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TEMPORAL_ADDRESS", server.address)
        try:
            yield server
        finally:
            await server.stop()


@pytest.fixture(scope="session")
async def vendors() -> AsyncIterator[Simulator]:
    """The simulated vendors, which the worker's adapters call."""
    async with simulated_vendors() as simulator:
        yield simulator


@pytest.fixture(scope="session")
async def settings(servers_home: Path, postgres: EmbeddedPostgres, vendors: Simulator) -> Settings:
    """Settings for this run's servers, with a migrated schema; the application has its own role."""
    assert await asyncio.to_thread(db_main, ["upgrade", "--database-url", postgres.url]) == 0
    key = servers_home / "jwt.pem"
    ensure_signing_key(key)
    return Settings(
        database_url=postgres.app_url,
        jwt_key_file=str(key),
        rate_limit_per_minute=0,
        mail_folder=str(servers_home / "mail"),
        sweep_interval_seconds=0.5,
        takeover_grace_seconds=1,
        worker_graceful_seconds=1,
        secrets_key=SecretStr(new_key()),
        outbound_allow_loopback=True,
        external_check_seconds=ONE_YEAR,
        reconcile_interval_seconds=ONE_YEAR,
        vendors_url=vendors.url,
        storage_folder=str(servers_home / "files"),
        log_level="WARNING",
    )


@pytest.fixture(scope="session")
async def engine(settings: Settings, postgres: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """The tests' connections, with the role that owns the schema."""
    engine = create_engine(settings.model_copy(update={"database_url": postgres.url}), application_name="tests")
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def client(temporal: DevTemporal) -> Client:
    """A Temporal client."""
    return await temporal_client.connect()


@pytest.fixture(scope="session")
async def worker(client: Client, settings: Settings) -> AsyncIterator[None]:
    """A worker with its background loops."""
    async with running_worker(client, settings):
        yield


@pytest.fixture(scope="session")
def skipper(client: Client) -> TimeSkipper:
    """Starts workflows whose clock the test moves; it does not advance by itself."""
    return TimeSkipper(client, config=TimeSkippingConfig(enabled=False))


@pytest.fixture(scope="session")
async def api_url(settings: Settings, worker: None) -> AsyncIterator[str]:
    """The URL of the API over real HTTP, with a running worker."""
    async with served(create_app(settings)) as url:
        yield url


@pytest.fixture(scope="session")
async def api(api_url: str, settings: Settings) -> AsyncIterator[ApiClient]:
    """A client of that API; `api.as_(principal)` authenticates."""
    async with httpx.AsyncClient(base_url=api_url, timeout=30) as http:
        yield ApiClient.over(http, settings)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A real browser; the test is skipped where there is none."""
    path = find_browser()
    if path is None:
        pytest.skip("no browser: install Chromium to run the tests of pages")
    async with running_browser(path) as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page with cookies and storage of its own; `page.context.new_page()` opens another."""
    async with opened_page(browser) as page:
        yield page


@pytest.fixture
async def tenant(engine: AsyncEngine) -> Tenant:
    """A new business: service `repair`, providers `ana` and `ben`, always open."""
    return await make_tenant(engine)


@pytest.fixture
async def no_login_attempts(engine: AsyncEngine) -> AsyncIterator[None]:
    """Delete login attempts before and after the test: all tests share one address."""
    await forget_attempts(engine)
    yield
    await forget_attempts(engine)
