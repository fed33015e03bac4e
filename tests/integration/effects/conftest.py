"""Businesses with accounts at vendors."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.businesses.jobs import BusinessWithJobs
from tests.support.simulator import Simulator
from tests.support.stage import Stage, make_stage
from tests.support.vendors.servicetitan import ServiceTitanTenant


@pytest.fixture
async def business(
    api: ApiClient, engine: AsyncEngine, settings: Settings, vendors: Simulator
) -> BusinessWithJobs:
    """A business whose jobs are at ServiceTitan."""
    business = BusinessWithJobs(await make_stage(api, engine), ServiceTitanTenant(vendors))
    await business.connect(settings)
    return business


@pytest.fixture
async def stranger(api: ApiClient, engine: AsyncEngine) -> Stage:
    """Another business."""
    return await make_stage(api, engine)
