"""The API does what its document says for every caller: schemathesis with all checks, statefully.

Frugal by default: a request or two for each operation, and every edge of some of the schemas.
`HOLDFAST_SCHEMATHESIS_EXAMPLES=50` looks deeper, at every edge of all. What fails is shown with a `curl` line.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.openapi.document import operations_of
from runtime.settings import Settings
from tests.support import schemathesis_config
from tests.support.accounts import forget_attempts
from tests.support.callers import CallerFactory
from tests.support.factories import make_booking, make_tenant

EXAMPLES: Final = int(os.environ.get("HOLDFAST_SCHEMATHESIS_EXAMPLES", "0"))
CALLERS: Final = ("anonymous", "customer", "ana", "owner", "admin", "key")
_SECONDS: Final = 110 + 300 * EXAMPLES
_AT_ONCE: Final = 2
_EACH: Final = 32
"""Which part of the schemas is looked at edge by edge: one in so many, others for each caller."""
_HOOKS: Final = "tests.support.schemathesis_hooks"


@dataclass(frozen=True)
class Run:
    status: int | None
    output: str


@pytest.fixture(scope="module")
async def runs(
    api_url: str, engine: AsyncEngine, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, "asyncio.Task[Run]"]]:
    """All callers' runs under way, a few at a time: each is a process beside the one in which the API runs."""
    folder, turn = tmp_path_factory.mktemp("schemathesis"), asyncio.Semaphore(_AT_ONCE)

    async def run(name: str) -> Run:
        ours, theirs = await make_tenant(engine), await make_tenant(engine)
        booking = await make_booking(engine, ours)
        path = folder / f"{name}.toml"
        path.write_text(
            schemathesis_config.text(
                await CallerFactory(engine, settings, ours, theirs).token_of(name),
                {"business": str(ours.business_id), "service": "repair", "provider": "ana"},
                ids={"booking_id": str(booking.booking_id), "customer_id": str(ours.customer_id)},
                examples=EXAMPLES or 1,
                uncovered=_uncovered(name),
                phases=schemathesis_config.PHASES[0 if EXAMPLES or name == "owner" else 1 :],
            )
        )
        async with turn:
            return await _run(path, api_url)

    under_way = {name: asyncio.create_task(run(name)) for name in CALLERS}
    yield under_way
    for task in under_way.values():
        task.cancel()
    await asyncio.gather(*under_way.values(), return_exceptions=True)
    await forget_attempts(engine)  # so many failed logins, and all from this machine


def _uncovered(name: str) -> list[str]:
    names = [operation["operationId"] for operation in operations_of(create_app(Settings()).openapi()).values()]
    mine = CALLERS.index(name)
    return [] if EXAMPLES else [each for at, each in enumerate(names) if at % _EACH != mine]


async def _run(config: Path, url: str) -> Run:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/openapi.json"),
        env=os.environ | {"SCHEMATHESIS_HOOKS": _HOOKS},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Run(process.returncode, output.decode())


@pytest.mark.timeout(_SECONDS)
@pytest.mark.parametrize("name", CALLERS)
async def test_the_api_does_what_its_document_says(name: str, runs: dict[str, "asyncio.Task[Run]"]) -> None:
    run = await runs[name]
    assert run.status == 0, run.output
    assert "Stateful (in" in run.output, run.output
