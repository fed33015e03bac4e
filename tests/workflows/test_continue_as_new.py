"""Continue-as-new: on a server that suggests a new run early, nothing changes for callers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from db.engine import create_engine
from dev.ports import free_port
from dev.temporal import TIME_SKIPPING, DevTemporal
from domain.commands import Accept, Reschedule, Start
from domain.lifecycle import Status
from domain.policies import Backoff, Intake, Policy
from runtime.settings import Settings
from tests.support.factories import Tenant, add_provider, future, make_tenant
from tests.support.replayer import replay
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import ADMIN, CUSTOMER, LiveBooking
from worker.booking_worker import build_worker
from worker.search_attributes import ensure_search_attributes

EARLY = TIME_SKIPPING | {"limit.historyCount.suggestContinueAsNew": "20"}


@pytest.fixture(scope="module")
async def early_skipper(servers_home: Path, settings: Settings) -> AsyncIterator[TimeSkipper]:
    """A server with a worker that knows only this module's bookings: without recovery, which looks at all."""
    server = DevTemporal(servers_home / "early", port=free_port(), dynamic_config=EARLY)
    await server.start()
    engine = create_engine(settings, application_name="tests-early")
    try:
        client = await Client.connect(server.address, data_converter=pydantic_data_converter)
        await ensure_search_attributes(client)
        async with build_worker(client, engine, settings):
            yield TimeSkipper(client, config=TimeSkippingConfig(enabled=False))
    finally:
        await engine.dispose()
        await server.stop()


async def test_a_booking_that_looks_long_for_a_provider_goes_on_in_a_new_run(
    engine: AsyncEngine, early_skipper: TimeSkipper
) -> None:
    policy = Policy(
        intake=Intake.DISPATCH,
        backoff=Backoff(base_seconds=0.05, factor=1, attempts=6),
        reminder_minutes=(60,),
    )
    tenant = await make_tenant(engine, policy=policy, providers={})
    booking = await LiveBooking.begin(engine, early_skipper, tenant, provider=None)
    first = await _run_id(booking)
    waiting = await booking.until(lambda state: state.needs_attention)
    assert await _run_id(booking) != first
    attributes = (await booking.handle.describe()).typed_search_attributes
    assert attributes.get(SearchAttributeKey.for_keyword("BookingStatus")) == "pending"
    assert (waiting.attempt, waiting.version) == (6, 7)
    assert await check_invariants(booking) == waiting
    former = booking.client.get_workflow_handle(booking.handle.id, run_id=first)
    await replay(await former.fetch_history())

    assert (await booking.refusal_of(Start(actor=ADMIN))).type == "invalid_transition"
    async with engine.begin() as conn:
        await add_provider(conn, tenant, "dee")
    moved = await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(96)))
    await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    await booking.skip_to(accepted.starts_at - timedelta(hours=1))
    await booking.until_messages("reminder", 2)
    assert accepted.version == moved.version + 2
    await check_invariants(booking)


async def test_a_booking_that_is_moved_again_and_again_goes_on_in_a_new_run(
    engine: AsyncEngine, early_skipper: TimeSkipper, tenant: Tenant
) -> None:
    booking = await LiveBooking.begin(engine, early_skipper, tenant)
    await booking.until_status(Status.ASSIGNED)
    first = await _run_id(booking)
    for hours in range(80, 88):
        await booking.give(Reschedule(actor=CUSTOMER, starts_at=future(hours)))
    await booking.until_messages("rescheduled", 16)
    await booking.give(Accept(actor=ADMIN))
    await booking.until_messages("confirmed", 1)
    async with asyncio.timeout(5):
        while await _run_id(booking) == first:
            await asyncio.sleep(0.05)
    started = await booking.give(Start(actor=ADMIN))
    assert started.version == 12
    await check_invariants(booking)


async def _run_id(booking: LiveBooking) -> str:
    run_id = (await booking.handle.describe()).run_id
    assert run_id is not None
    return run_id
