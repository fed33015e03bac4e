"""The complete stack in separate processes, each of which a test may kill."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import unpooled_engine
from dev.demo_business import BUSINESS, login_email
from dev.demo_client import DemoClient, demo_http
from dev.demo_vendors import SimulatorUrls, connect
from dev.settings import DevSettings
from dev.stack import Stack
from tests.support.e2e.retrying_client import RetryingClient
from tests.support.events import assert_all_events_fit

# The time after which Temporal gives a killed worker's task to another worker, and the longest delay when that
# happens repeatedly to the same task; the defaults are 10 s and 10 min.
_SHORT_TASK_TIMEOUTS = {
    "history.defaultWorkflowTaskTimeout": '"1s"',
    "history.workflowTaskRetryMaxInterval": '"1s"',
}


@pytest.fixture(scope="package")
def stack_home() -> Iterator[Path]:
    """A short path, because it contains PostgreSQL's socket."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-e2e-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
async def stack(stack_home: Path) -> AsyncIterator[Stack]:
    """A running stack with the demo business; dead processes are restarted."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("TEMPORAL_ADDRESS", raising=False)
        environment.setenv("HOLDFAST_RATE_LIMIT_PER_MINUTE", "0")  # tests send requests as fast as they can
        environment.setenv("HOLDFAST_STREAMS_PER_CALLER", "0")
        environment.setenv("HOLDFAST_STREAMS_PER_ADDRESS", "0")
        environment.setenv("HOLDFAST_SMTP_URL", "")
        settings = DevSettings.on_free_ports(stack_home)
        async with Stack(settings, dynamic_config=_SHORT_TASK_TIMEOUTS, vendors=True) as stack:
            await _disconnect_vendors(stack)
            yield stack


async def _disconnect_vendors(stack: Stack) -> None:
    """Remove all integrations and endpoints: bookings have effects only in the tests of effects."""
    async with demo_http(stack.api_url) as http:
        owner = await DemoClient.log_in(http, login_email("owner"))
        root = f"/v1/businesses/{BUSINESS}"
        for integration in (await owner.call("GET", f"{root}/integrations"))["items"]:
            await owner.call("DELETE", f"{root}/integrations/{integration['vendor']}")
        for endpoint in (await owner.call("GET", f"{root}/webhook-endpoints"))["items"]:
            await owner.call("DELETE", f"{root}/webhook-endpoints/{endpoint['id']}")


@pytest.fixture
async def vendors(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The simulated vendors; the demo business has an account at each during the test."""
    urls = SimulatorUrls(stack.settings.vendors_url, stack.settings.s3_url)
    async with demo_http(stack.settings.vendors_url) as http:
        await http.delete("/control/ledger")
        assert await connect(stack.api_url, urls)
        yield http
    await _disconnect_vendors(stack)


@pytest.fixture(scope="package")
async def stack_engine(stack: Stack) -> AsyncIterator[AsyncEngine]:
    """Connections to the stack's database, never reused: the server may have died in between.

    At the end every event that the stack has written must fit its schema.
    """
    engine = unpooled_engine(stack.database_url)
    yield engine
    await engine.dispose()
    await assert_all_events_fit(stack.database_url)


@pytest.fixture(scope="package")
async def demo(stack: Stack) -> AsyncIterator[RetryingClient]:
    """A client that calls the stack's API as the demo users."""
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=30) as http:
        yield await RetryingClient.logged_in(http)
