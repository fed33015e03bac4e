"""Fixtures for tests of the API: businesses and accounts."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.policies import Policy
from tests.support.accounts import Account, make_account
from tests.support.api_client import ApiClient
from tests.support.stage import Stage, make_stage


@pytest.fixture
async def stage(api: ApiClient, engine: AsyncEngine) -> Stage:
    """A business that accepts a booking only when a provider is free."""
    return await make_stage(api, engine, Policy())


@pytest.fixture
async def patient_stage(api: ApiClient, engine: AsyncEngine) -> Stage:
    """A business in which nothing happens by itself."""
    return await make_stage(api, engine)


@pytest.fixture
async def account(engine: AsyncEngine) -> Account:
    """Somebody who can log in."""
    return await make_account(engine)
