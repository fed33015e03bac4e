"""Businesses with accounts at vendors."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.jobs import JobDesk
from tests.support.simulator import Simulator
from tests.support.stage import Stage, make_stage
from tests.support.vendors.servicetitan import Titan


@pytest.fixture
async def desk(api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator) -> JobDesk:
    """A business whose jobs are at ServiceTitan."""
    desk = JobDesk(await make_stage(api, engine), Titan(vendors))
    await desk.connect(settings)
    return desk


@pytest.fixture
async def stranger(api: ApiClient, engine: AsyncEngine) -> Stage:
    """Another business."""
    return await make_stage(api, engine)
