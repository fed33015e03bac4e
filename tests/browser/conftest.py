"""Fixtures for tests of pages: the application with its pages on a real socket, and businesses to book at."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.servers import served
from tests.support.stage import Stage, make_stage
from web.routes import web_routes


@pytest.fixture(scope="session")
async def site_url(settings: Settings, worker: None) -> AsyncIterator[str]:
    """The address of the API with the pages beside it, and a running worker."""
    async with served(create_app(settings, web_routes(settings))) as url:
        yield url


@pytest.fixture(scope="session")
async def site_api(site_url: str, settings: Settings) -> AsyncIterator[ApiClient]:
    """A client of that API."""
    async with httpx.AsyncClient(base_url=site_url, timeout=30) as http:
        yield ApiClient.over(http, settings)


@pytest.fixture
async def garage(site_api: ApiClient, engine: AsyncEngine) -> Stage:
    """A business to book at: one service, two providers, always open."""
    return await make_stage(site_api, engine)
