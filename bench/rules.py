"""The rules by themselves: the slots of a calendar that has been read already, in this process."""

import time
from datetime import UTC, date, datetime, timedelta

from bench.effort import Effort
from bench.isolated_stack import Annex
from bench.pace import quiet_memory
from bench.questions import tomorrow
from bench.stats import Latency
from bench.tenant import Tenant
from db.engine import autocommit, create_engine
from db.repositories import services
from db.scheduling import placement
from domain.slots import BusinessCalendar
from domain.zones import begins
from runtime.settings import Settings


async def alone(on: Annex, effort: Effort, days: int) -> float:
    """The median of the milliseconds that `BusinessCalendar.slots` takes for so many days of all providers."""
    calendar = await read_calendar(on.url, on.tenant, tomorrow(on), days)
    seconds = []
    with quiet_memory():
        for _ in range(effort.months):
            started = time.perf_counter()
            calendar.slots()
            seconds.append(time.perf_counter() - started)
    return Latency.of(seconds).p50


async def read_calendar(url: str, tenant: Tenant, first: date, days: int) -> BusinessCalendar:
    """The calendar of a business for some days, as the API reads it."""
    engine = create_engine(Settings(database_url=url), application_name="bench")
    zone = tenant.hours.zone
    window = begins(first, 0, zone), begins(first + timedelta(days=days), 0, zone)
    try:
        async with autocommit(engine) as conn:
            offering = await services.find_offering(conn, str(tenant.business_id), str(tenant.service_id))
            assert offering
            return await placement.read_slots(conn, offering, window, datetime.now(UTC))
    finally:
        await engine.dispose()
