"""Fixtures for tests of pages: the application with its pages on a real socket, and businesses to book at."""

from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Page
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from db.models import Business
from domain.policies import Policy
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.payments import FEE, Shop, make_shop
from tests.support.servers import served
from tests.support.simulator import Simulator
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


@pytest.fixture(autouse=True)
def patience(page: Page) -> None:
    """Fail soon."""
    page.set_default_timeout(10_000)


@pytest.fixture
async def garage(site_api: ApiClient, engine: AsyncEngine) -> Stage:
    """A business to book at: one service, two providers, always open. Nothing moves by itself."""
    stage = await make_stage(site_api, engine)
    await stage.change(Business, name="Corner Garage")
    return stage


@pytest.fixture
async def paid_garage(site_api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator) -> Shop:
    """A business whose service is paid online, and whose late cancellations cost half."""
    shop = await make_shop(site_api, engine, settings, vendors, policy=Policy(cancellation=FEE))
    await shop.change(Business, name="Corner Garage")
    return shop
