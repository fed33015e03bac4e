"""Requests for free slots, timed against Holdfast and the baseline, and the slot calculation timed by itself."""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from uuid import UUID

from bench.http_client import HttpClient, encode
from bench.isolated_stack import IsolatedStack
from bench.load import closed_loop, garbage_collector_paused
from bench.stats import Latency
from bench.tenant import Tenant
from bench.workload import Workload
from db.engine import autocommit, create_engine
from db.repositories import services
from db.scheduling import placement
from domain.slots import BusinessCalendar
from domain.zones import begins
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class SlotRequest:
    """One request for slots, encoded for Holdfast and for the baseline."""

    name: str
    days: int
    holdfast: bytes
    baseline: bytes

    @classmethod
    def of(cls, name: str, isolated: IsolatedStack, days: int, provider_id: UUID | None = None) -> "SlotRequest":
        """Ask for slots from tomorrow on; without a provider, for the slots of all providers."""
        first = tomorrow(isolated)
        path = f"/businesses/{isolated.tenant.business_id}/slots?service_id={isolated.tenant.service_id}"
        path += f"&from={first}&to={first + timedelta(days=days)}"
        path += f"&provider_id={provider_id}" if provider_id else ""
        return cls(name, days, encode("GET", f"/v1{path}"), encode("GET", path))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The latency of one request on both sides."""

    holdfast: Latency
    baseline: Latency


def tomorrow(isolated: IsolatedStack) -> date:
    """The first requested day in the business's zone: the whole day is still in the future."""
    return datetime.now(isolated.tenant.hours.zone).date() + timedelta(days=1)


async def compare(isolated: IsolatedStack, workload: Workload, request: SlotRequest) -> Comparison:
    """Send the request to both sides in alternating rounds; a single day is requested more often: it is faster."""
    count = workload.month_requests if request.days > 1 else 4 * workload.month_requests
    holdfast: list[float] = []
    baseline: list[float] = []
    for _ in range(workload.rounds):
        baseline += await _send_repeatedly(isolated.baseline, request.baseline, count)
        holdfast += await _send_repeatedly(isolated.holdfast, request.holdfast, count)
    return Comparison(Latency.of(holdfast), Latency.of(baseline))


async def time_first_answer(isolated: IsolatedStack, request: SlotRequest) -> float:
    """Milliseconds of the first answer of a new API process."""
    await isolated.restart_api()
    await isolated.holdfast.open(1)
    (seconds,) = await _send_repeatedly(isolated.holdfast, request.holdfast, 1)
    return seconds * 1000


async def _send_repeatedly(client: HttpClient, request: bytes, count: int) -> list[float]:
    samples, _ = await closed_loop(1, [partial(client.expect, 200, request)] * count)
    return [sample.seconds for sample in samples]


async def time_calculation(isolated: IsolatedStack, workload: Workload, days: int) -> float:
    """Median milliseconds of `BusinessCalendar.slots` for these days of all providers, in this process."""
    calendar = await read_calendar(isolated.url, isolated.tenant, tomorrow(isolated), days)
    seconds = []
    with garbage_collector_paused():
        for _ in range(workload.month_requests):
            started = time.perf_counter()
            calendar.slots()
            seconds.append(time.perf_counter() - started)
    return Latency.of(seconds).p50


async def read_calendar(url: str, tenant: Tenant, first: date, days: int) -> BusinessCalendar:
    """The calendar of a business for some days, read as the API reads it."""
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
