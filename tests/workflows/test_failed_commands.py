"""Failed commands leave no exception that asyncio would log as never retrieved."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from api.engine.gateway import EngineGateway
from dev.ports import free_port
from dev.temporal import DevTemporal
from domain.commands import Start
from domain.errors import EngineUnavailableError, InvalidTransitionError
from domain.lifecycle import Status
from domain.steps import BookingRef
from runtime.ids import new_id
from runtime.temporal import connect
from tests.support.factories import Tenant
from tests.support.workflows.live import ADMIN, Live

PATIENT = timedelta(seconds=20)
START = Start(actor=ADMIN)


@contextmanager
def _nothing_unread() -> Iterator[None]:
    """Fail when a future ends with an exception that nobody has read."""
    loop, logged = asyncio.get_running_loop(), list[str]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: logged.append(context["message"]))
    try:
        yield
        gc.collect()
    finally:
        loop.set_exception_handler(before)
    assert logged == []


@pytest.fixture
def anybody(tenant: Tenant) -> BookingRef:
    return BookingRef(booking_id=new_id(), business_id=tenant.business_id)


async def test_a_refusal(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    ref = BookingRef(booking_id=booking.booking_id, business_id=booking.business_id)
    with _nothing_unread(), pytest.raises(InvalidTransitionError):
        await EngineGateway(booking.client, PATIENT).send_command(ref, START, str(new_id()))


async def test_no_answer_in_time(client: Client, anybody: BookingRef) -> None:
    impatient = EngineGateway(client, timedelta(microseconds=1))
    with _nothing_unread(), pytest.raises(EngineUnavailableError):
        await impatient.send_command(anybody, START, str(new_id()))


async def test_a_server_that_is_away(tmp_path: Path, anybody: BookingRef, monkeypatch: pytest.MonkeyPatch) -> None:
    server = DevTemporal(tmp_path, port=free_port())
    await server.start()
    monkeypatch.setenv("TEMPORAL_ADDRESS", server.address)
    gateway = EngineGateway(await connect(retry_for=timedelta(milliseconds=100)), PATIENT)
    await server.stop()
    with _nothing_unread(), pytest.raises(EngineUnavailableError):
        await gateway.send_command(anybody, START, str(new_id()))
