"""A vendor behind a real socket, and an external calendar at it for each test."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from dev.vendors.slot_source import SchedulingVendor
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.businesses.external_calendars import Source
from tests.support.factories import Tenant
from tests.support.servers import served


@pytest.fixture(scope="package")
def vendor() -> SchedulingVendor:
    return SchedulingVendor()


@pytest.fixture(scope="package")
async def vendor_url(vendor: SchedulingVendor) -> AsyncIterator[str]:
    async with served(vendor.app) as url:
        yield url


@pytest.fixture
async def source(
    engine: AsyncEngine, settings: Settings, tenant: Tenant, vendor: SchedulingVendor, vendor_url: str
) -> Source:
    """A source that is set up and has not been asked."""
    source = Source(engine, tenant, vendor, vendor_url, Secrets(settings.secrets_key))
    await source.set_up()
    return source
