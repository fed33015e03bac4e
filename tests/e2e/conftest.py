"""The whole stack as its users have it: every part a process of its own, each of which a test may kill."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db.engine import async_url
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
        async with Stack(DevSettings.on_free_ports(stack_home), dynamic_config=_QUICK_TO_NOTICE) as stack:
            yield stack


@pytest.fixture(scope="package")
async def stack_engine(stack: Stack) -> AsyncIterator[AsyncEngine]:
    """Connections to the stack's database, a fresh one each time: the server may have died in between."""
    engine = create_async_engine(async_url(stack.database_url), poolclass=NullPool)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="package")
async def demo(stack: Stack) -> AsyncIterator[DemoClient]:
    """Calls the stack's API as the demo users."""
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=30) as http:
        yield await DemoClient.logged_in(http)
