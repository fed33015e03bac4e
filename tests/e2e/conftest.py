"""The whole stack as its users have it: every part a process of its own, each of which a test may kill."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import unpooled_engine
from dev.demo_business import BUSINESS, login_email
from dev.demo_client import DemoClient as DemoOwner
from dev.demo_client import demo_http
from dev.demo_vendors import SimulatorUrls, connect
from dev.settings import DevSettings
from dev.stack import Stack
from tests.e2e.customer import DemoClient

# How soon Temporal takes a task back from a worker that was killed, and by how much more patient it becomes when
# that happens again and again to the same task; its defaults are 10 s and up to 10 min.
_QUICK_TO_NOTICE = {
    "history.defaultWorkflowTaskTimeout": '"1s"',
    "history.workflowTaskRetryMaxInterval": '"1s"',
}


@pytest.fixture(scope="package")
def stack_home() -> Iterator[Path]:
    """A short path: PostgreSQL's socket lives in it."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-e2e-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
async def stack(stack_home: Path) -> AsyncIterator[Stack]:
    """A running stack with the demo business; what dies is restarted."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("TEMPORAL_ADDRESS", raising=False)
        environment.setenv("HOLDFAST_RATE_LIMIT_PER_MINUTE", "0")  # a test asks as fast as it can
        environment.setenv("HOLDFAST_SMTP_URL", "")
        settings = DevSettings.on_free_ports(stack_home)
        async with Stack(settings, dynamic_config=_QUICK_TO_NOTICE, vendors=True) as stack:
            await _do_without_vendors(stack)
            yield stack


async def _do_without_vendors(stack: Stack) -> None:
    """Let bookings set nothing off, but in the tests that are about that."""
    async with demo_http(stack.api_url) as http:
        owner = await DemoOwner.log_in(http, login_email("owner"))
        root = f"/v1/businesses/{BUSINESS}"
        for integration in (await owner.call("GET", f"{root}/integrations"))["items"]:
            await owner.call("DELETE", f"{root}/integrations/{integration['vendor']}")
        for endpoint in (await owner.call("GET", f"{root}/webhook-endpoints"))["items"]:
            await owner.call("DELETE", f"{root}/webhook-endpoints/{endpoint['id']}")


@pytest.fixture
async def vendors(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The simulated vendors; the demo business has an account at each as long as the test lasts."""
    urls = SimulatorUrls(stack.settings.vendors_url, stack.settings.s3_url)
    async with demo_http(stack.settings.vendors_url) as http:
        await http.delete("/control/ledger")
        assert await connect(stack.api_url, urls)
        yield http
    await _do_without_vendors(stack)


@pytest.fixture(scope="package")
async def stack_engine(stack: Stack) -> AsyncIterator[AsyncEngine]:
    """Connections to the stack's database, a fresh one each time: the server may have died in between."""
    engine = unpooled_engine(stack.database_url)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="package")
async def demo(stack: Stack) -> AsyncIterator[DemoClient]:
    """Calls the stack's API as the demo users."""
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=30) as http:
        yield await DemoClient.logged_in(http)
