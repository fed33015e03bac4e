"""The baseline's worker, with the settings of Holdfast's worker."""

import asyncio
import signal
from uuid import UUID

import asyncpg
import httpx
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import PollerBehaviorAutoscaling, PollerBehaviorSimpleMaximum, Worker

from bench.baseline.workflows import RECORD, TASK_QUEUE, RecordsOneStep, RecordsOnUpdate
from runtime.settings import Settings
from worker.booking_worker import sandbox

EFFECTS_QUEUE = "bench-baseline-effects"
POST = "post"

_INSERT = "INSERT INTO baseline_steps (id) VALUES ($1)"


async def run(address: str, database_url: str, settings: Settings) -> None:
    """Run the workers until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    client = await Client.connect(address)
    async with (
        asyncpg.create_pool(
            database_url, min_size=settings.database_pool_min, max_size=settings.database_pool_max, reset=_no_reset
        ) as pool,
        httpx.AsyncClient(trust_env=False) as http,
        _worker(client, pool, settings),
        _effect_worker(client, pool, http),
    ):
        await stop.wait()


async def _no_reset(_connection: asyncpg.Connection) -> None:
    """Skip the reset, as in the baseline's API."""


def _worker(client: Client, pool: asyncpg.Pool, settings: Settings) -> Worker:
    @activity.defn(name=RECORD)
    async def record(step_id: str) -> None:
        await pool.execute(_INSERT, UUID(step_id))

    runner = sandbox()
    restrictions = runner.restrictions.with_passthrough_modules("bench")
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[RecordsOneStep, RecordsOnUpdate],
        activities=[record],
        no_remote_activities=True,
        workflow_runner=type(runner)(restrictions=restrictions),
        max_cached_workflows=settings.worker_cached_workflows,
        max_concurrent_local_activities=settings.database_pool_max,
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(
            minimum=2, initial=settings.worker_pollers, maximum=settings.worker_pollers
        ),
    )


def _effect_worker(client: Client, pool: asyncpg.Pool, http: httpx.AsyncClient) -> Worker:
    """A minimal effect: one HTTP call and one INSERT."""

    @activity.defn(name=POST)
    async def post(url: str, step_id: str) -> None:
        await http.post(url, json={"id": step_id})
        await pool.execute(_INSERT, UUID(step_id))

    return Worker(
        client,
        task_queue=EFFECTS_QUEUE,
        activities=[post],
        max_concurrent_activities=20,
        activity_task_poller_behavior=PollerBehaviorSimpleMaximum(2),
    )
