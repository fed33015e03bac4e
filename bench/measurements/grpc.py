"""Creating over gRPC beside creating over HTTP, at fixed rates and in a burst.

Both go through the same use case, so the difference is that of the protocols. The clients' own time is part of it:
that of gRPC's Python client is larger than that of `bench.http_client`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import grpc

from api.grpc.booking_service_pb2_grpc import BookingServiceStub
from bench.load import Send, closed_loop, open_loop
from bench.measurements.paced import RATES
from bench.operations import CLIENTS, creates
from bench.results import Row
from bench.stats import Latency, median_of, throughput
from bench.testbed import Testbed
from bench.workload import Workload

_OVER_HTTP = "over HTTP"
_WARM_UP = 100


@dataclass(slots=True)
class _Series:
    """Values of all rounds."""

    over_http: list[float] = field(default_factory=list)
    over_grpc: list[float] = field(default_factory=list)


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Alternate the two protocols at each rate, then in bursts."""
    async with grpc.aio.insecure_channel(testbed.servers.stack.settings.grpc_address) as channel:
        await closed_loop(CLIENTS, _creates(testbed, channel, _WARM_UP))
        rows: list[Row] = []
        for rate in RATES:
            rows += await _paced(testbed, channel, workload, rate)
        return [*rows, await _bursts(testbed, channel, workload)]


async def _paced(testbed: Testbed, channel: grpc.aio.Channel, workload: Workload, rate: int) -> list[Row]:
    series, count = _Series(), workload.operations_at(rate)
    for _ in range(workload.rounds):
        series.over_http += [one.seconds for one in await open_loop(rate, creates(testbed, count))]
        await testbed.until_quiet()
        series.over_grpc += [one.seconds for one in await open_loop(rate, _creates(testbed, channel, count))]
        await testbed.until_quiet()
    http, over_grpc = Latency.of(series.over_http), Latency.of(series.over_grpc)
    name = f"gRPC create at {rate}/s"
    return [
        Row(f"{name}, p50", "ms", over_grpc.p50, http.p50, _OVER_HTTP),
        Row(f"{name}, p99", "ms", over_grpc.p99, http.p99, _OVER_HTTP),
    ]


async def _bursts(testbed: Testbed, channel: grpc.aio.Channel, workload: Workload) -> Row:
    series = _Series()
    for _ in range(workload.burst_rounds):
        series.over_http.append(await _rate_of(testbed, creates(testbed, workload.burst)))
        series.over_grpc.append(await _rate_of(testbed, _creates(testbed, channel, workload.burst)))
    name = f"burst of {workload.burst:,} from {CLIENTS} clients, created over gRPC"
    over_grpc, http = median_of(series.over_grpc), median_of(series.over_http)
    return Row(name, "1/s", over_grpc, http, _OVER_HTTP, None, series.over_grpc)


async def _rate_of(testbed: Testbed, sends: Sequence[Send[UUID]]) -> float:
    _, seconds = await closed_loop(CLIENTS, sends)
    await testbed.until_quiet()
    return throughput(len(sends), seconds)


def _creates(testbed: Testbed, channel: grpc.aio.Channel, count: int) -> list[Send[UUID]]:
    """Create bookings on free slots; each returns the booking's id."""
    stub: Any = BookingServiceStub(channel)  # type: ignore[no-untyped-call]
    return [partial(_create, stub, *testbed.grpc_create_request()) for _ in range(count)]


async def _create(stub: Any, request: Any, metadata: Any) -> UUID:
    return UUID((await stub.CreateBooking(request, metadata=metadata)).id)
