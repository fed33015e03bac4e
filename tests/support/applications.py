"""APIs with a test's own settings, or with unavailable servers behind them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from api.app import create_app
from dev.ports import free_port
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.servers import served


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[ApiClient]:
    """A client of an API that runs with these settings for as long as the block lasts."""
    async with served(create_app(settings)) as url, httpx.AsyncClient(base_url=url, timeout=30) as http:
        yield ApiClient.over(http, settings)


def point_to_nowhere(environment: pytest.MonkeyPatch) -> None:
    """Point new Temporal clients at a port on which nothing listens."""
    environment.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")
