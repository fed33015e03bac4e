"""The worker process: connect, run workflows, activities and background loops, and drain when told to stop."""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib import import_module
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.worker import Worker

from db.engine import create_engine, warm
from runtime import temporal
from runtime.settings import Settings
from worker.background import background_loops
from worker.booking_worker import build_worker
from worker.search_attributes import ensure_search_attributes

_log = structlog.get_logger()

_RECONNECT_SECONDS = 1.0


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is under way within the grace time."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await _connect(stop)
    if client is None:
        return
    async with running_worker(client, settings):
        _log.info("worker_ready", namespace=client.namespace)
        await stop.wait()
        _log.info("worker_stopping")


@asynccontextmanager
async def running_worker(client: Client, settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Everything a worker does, for as long as the block lasts."""
    engine = create_engine(settings, application_name="holdfast-worker")
    try:
        await warm(engine, settings.database_pool_min)
        await ensure_search_attributes(client)
        async with AsyncExitStack() as stack:
            if settings.worker_health_port:
                from worker.health import health_server  # noqa: PLC0415  # loads a web framework

                await stack.enter_async_context(health_server(client, engine, settings))
            await stack.enter_async_context(build_worker(client, engine, settings))
            for outward in await _outward_workers(client, engine, settings):
                await stack.enter_async_context(outward)
            for loop in background_loops(client, engine, settings):
                await stack.enter_async_context(_in_background(loop))
            yield engine
    finally:
        await engine.dispose()


async def _outward_workers(client: Client, engine: AsyncEngine, settings: Settings) -> list[Worker]:
    """The workers that call other systems. They are imported in a thread: bookings are worked on meanwhile."""
    await asyncio.to_thread(import_module, "worker.registry")
    from worker.effect_workers import build_effect_workers  # noqa: PLC0415
    from worker.registry import Vendors  # noqa: PLC0415
    from worker.sync_worker import build_sync_worker  # noqa: PLC0415

    vendors = Vendors(engine, settings)
    sync_worker = build_sync_worker(client, engine, settings, vendors)
    return [sync_worker, *build_effect_workers(client, engine, settings, vendors)]


async def _connect(stop: asyncio.Event) -> Client | None:
    """Wait for Temporal as long as it takes: processes are started in any order. None: told to stop."""
    while not stop.is_set():
        try:
            return await temporal.connect()
        except RuntimeError as error:
            _log.warning("temporal_unavailable", error=f"{type(error).__name__}: {error}".splitlines()[0])
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RECONNECT_SECONDS)
    return None


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
