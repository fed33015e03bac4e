"""The cost of rate limits: the same requests to an API with limits and to one without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx

from bench.http_client import Answer, HttpClient, encode
from bench.load import Send, closed_loop, open_loop
from bench.operations import CLIENTS
from bench.results import Row
from bench.stats import Latency
from bench.testbed import Testbed
from bench.workload import Workload
from dev.ports import LOOPBACK, free_port
from dev.process import ManagedProcess
from dev.programs import python_command
from dev.service import Service

RATE = 50
_UNREACHABLE_LIMIT = 1_000_000_000
_WARM_UP = 100

Found = dict[str, list[float]]


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Create and read at 50/s, alternating between an API with limits that are never reached and one without."""
    booking_id = await testbed.database.fetchval("SELECT id FROM bookings ORDER BY id DESC LIMIT 1")
    read = encode("GET", f"/v1/bookings/{booking_id}", token=testbed.token(testbed.tenant.owner))
    count = workload.operations_at(RATE)
    counted: Found = {"create": [], "GET one": []}
    uncounted: Found = {"create": [], "GET one": []}
    async with _limited_api(testbed) as limited:
        await closed_loop(CLIENTS, _creates(testbed, limited, _WARM_UP) + _reads(limited, read, _WARM_UP))
        for _ in range(workload.rounds):
            for client, found in ((testbed.holdfast, uncounted), (limited, counted)):
                found["create"] += await _seconds(_creates(testbed, client, count))
                found["GET one"] += await _seconds(_reads(client, read, count))
    await testbed.until_quiet()
    return [row for name in counted for row in _rows(name, Latency.of(counted[name]), Latency.of(uncounted[name]))]


def _rows(name: str, counted: Latency, uncounted: Latency) -> list[Row]:
    return [
        Row(f"{name} with rate limits at {RATE}/s, p50", "ms", counted.p50, uncounted.p50, "without limits"),
        Row(f"{name} with rate limits at {RATE}/s, p99", "ms", counted.p99, uncounted.p99, "without limits"),
    ]


def _creates(testbed: Testbed, client: HttpClient, count: int) -> list[Send[Answer]]:
    return [partial(client.expect, 201, testbed.create_request()) for _ in range(count)]


def _reads(client: HttpClient, read: bytes, count: int) -> list[Send[Answer]]:
    return [partial(client.expect, 200, read) for _ in range(count)]


async def _seconds(sends: list[Send[Answer]]) -> list[float]:
    return [sample.seconds for sample in await open_loop(RATE, sends)]


class _LimitedApi(Service):
    """A second `python -m api` on the same database, with rate limits."""

    def __init__(self, testbed: Testbed, port: int) -> None:
        stack = testbed.servers.stack
        environment = stack.environment | {"HOLDFAST_RATE_LIMIT_PER_MINUTE": str(_UNREACHABLE_LIMIT)}
        arguments = ("api", "--port", str(port))
        command = python_command("api-limited", *arguments, logs=stack.home.logs, environment=environment)
        super().__init__(ManagedProcess(command))
        self._url = f"http://{LOOPBACK}:{port}/readyz"

    async def is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.get(self._url)).is_success
        except httpx.TransportError:
            return False


@asynccontextmanager
async def _limited_api(testbed: Testbed) -> AsyncIterator[HttpClient]:
    port = free_port()
    service = _LimitedApi(testbed, port)
    client = HttpClient(LOOPBACK, port)
    await testbed.servers.run(service.start())
    try:
        yield client
    finally:
        client.close()
        await testbed.servers.run(service.stop())
