"""Businesses with accounts at vendors."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.settings import Settings
from tests.api_client import ApiClient
from tests.integration.api.stage import Stage, make_stage
from tests.integration.effects.job_desk import JobDesk
from tests.integration.vendors.titan import Titan
from tests.simulator import Simulator


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
