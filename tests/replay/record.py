"""`python -m tests.replay.record [name ...]`: play the scenarios and store their histories anew.

Do it when a change of the workflow is meant to break replay, before anything was released; once bookings are
alive somewhere, keep the old histories, guard the change with `workflow.patched` and add a scenario for it.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkipper, TimeSkippingConfig

from db.__main__ import main as db_main
from db.engine import create_engine
from dev.ports import free_port
from dev.postgres import EmbeddedPostgres
from dev.temporal import TIME_SKIPPING, DevTemporal
from runtime import logging
from runtime.settings import Settings
from tests.replay.scenarios import SCENARIOS, Stage
from worker.main import running_worker

HISTORIES = Path(__file__).parent / "histories"


def main(names: list[str]) -> int:
    """Record the named scenarios, or all of them."""
    if unknown := set(names) - set(SCENARIOS):
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}\n")
        return 2
    asyncio.run(_record(names or list(SCENARIOS)))
    return 0


async def _record(names: list[str]) -> None:
    HISTORIES.mkdir(exist_ok=True)
    async with _stage() as stage:
        for name in names:
            booking = await SCENARIOS[name](stage)
            await booking.until_quiet()
            history = await booking.handle.fetch_history()
            path = HISTORIES / f"{name}.json"
            path.write_text(history.to_json() + "\n")
            sys.stdout.write(f"{path.relative_to(Path.cwd())}: {len(history.events)} events\n")


@asynccontextmanager
async def _stage() -> AsyncIterator[Stage]:
    """Servers of their own with a worker."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-")))
        postgres = EmbeddedPostgres(home)
        temporal = DevTemporal(home, port=free_port(), dynamic_config=TIME_SKIPPING)
        for server in (postgres, temporal):
            stack.push_async_callback(server.stop)
            await server.start()
        if await asyncio.to_thread(db_main, ["upgrade", "--database-url", postgres.url]) != 0:
            raise RuntimeError("the schema could not be made")
        settings = Settings(
            database_url=postgres.url,
            jwt_key_file=str(home / "unused.pem"),
            sweep_interval_seconds=0.5,
            worker_graceful_seconds=1,
            log_level="WARNING",
        )
        logging.configure(settings, service="recorder")
        client = await Client.connect(temporal.address, data_converter=pydantic_data_converter)
        await stack.enter_async_context(running_worker(client, settings))
        engine = create_engine(settings, application_name="recorder")
        stack.push_async_callback(engine.dispose)
        yield Stage(engine, TimeSkipper(client, config=TimeSkippingConfig(enabled=False)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
