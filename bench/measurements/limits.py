"""What rate limits cost: the same requests to an API that counts them, and to one that does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx

from bench.effort import Effort
from bench.http_client import Answer, HttpClient, encode
from bench.operations import CLIENTS
from bench.pace import Send, closed_loop, open_loop
from bench.results import Row
from bench.rig import Rig
from bench.stats import Latency
from dev.ports import LOOPBACK, free_port
from dev.process import ManagedProcess
from dev.programs import python_command
from dev.service import Service

RATE = 50
_OUT_OF_REACH = 1_000_000_000
_WARM_UP = 100

Found = dict[str, list[float]]


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Creating and reading at 50/s; the API with limits, which nobody reaches, and the one without take turns."""
    booking_id = await rig.database.fetchval("SELECT id FROM bookings ORDER BY id DESC LIMIT 1")
    read = encode("GET", f"/v1/bookings/{booking_id}", token=rig.token(rig.tenant.owner))
    count = effort.paced(RATE)
    counted: Found = {"create": [], "GET one": []}
    uncounted: Found = {"create": [], "GET one": []}
    async with _limited_api(rig) as limited:
        await closed_loop(CLIENTS, _creates(rig, limited, _WARM_UP) + _reads(limited, read, _WARM_UP))
        for _ in range(effort.rounds):
            for client, found in ((rig.holdfast, uncounted), (limited, counted)):
                found["create"] += await _seconds(_creates(rig, client, count))
                found["GET one"] += await _seconds(_reads(client, read, count))
    await rig.until_quiet()
    return [row for name in counted for row in _rows(name, Latency.of(counted[name]), Latency.of(uncounted[name]))]


def _rows(name: str, counted: Latency, uncounted: Latency) -> list[Row]:
    return [
        Row(f"{name} with rate limits at {RATE}/s, p50", "ms", counted.p50, uncounted.p50, "without limits"),
        Row(f"{name} with rate limits at {RATE}/s, p99", "ms", counted.p99, uncounted.p99, "without limits"),
    ]


def _creates(rig: Rig, client: HttpClient, count: int) -> list[Send[Answer]]:
    return [partial(client.expect, 201, rig.create_request()) for _ in range(count)]


def _reads(client: HttpClient, read: bytes, count: int) -> list[Send[Answer]]:
    return [partial(client.expect, 200, read) for _ in range(count)]


async def _seconds(sends: list[Send[Answer]]) -> list[float]:
    return [sample.seconds for sample in await open_loop(RATE, sends)]


class _LimitedApi(Service):
    """A second `python -m api` on the same database."""

    def __init__(self, rig: Rig, port: int) -> None:
        stack = rig.servers.stack
        environment = stack.environment | {"HOLDFAST_RATE_LIMIT_PER_MINUTE": str(_OUT_OF_REACH)}
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
async def _limited_api(rig: Rig) -> AsyncIterator[HttpClient]:
    port = free_port()
    service = _LimitedApi(rig, port)
    client = HttpClient(LOOPBACK, port)
    await rig.servers.do(service.start())
    try:
        yield client
    finally:
        client.close()
        await rig.servers.do(service.stop())
