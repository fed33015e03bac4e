"""Holds from 16 clients at the same time."""

from functools import partial

from bench.load import closed_loop
from bench.results import Row
from bench.stats import Latency, median_of, throughput
from bench.testbed import Testbed
from bench.workload import Workload

CLIENTS = 16


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Hold a different slot with each request, by customers who have few other holds."""
    rates: list[float] = []
    seconds: list[float] = []
    for _ in range(workload.rounds):
        requests = [testbed.hold_request() for _ in range(workload.holds)]
        await testbed.holdfast.open(CLIENTS)
        samples, took = await closed_loop(
            CLIENTS, [partial(testbed.holdfast.expect, 201, one) for one in requests]
        )
        rates.append(throughput(workload.holds, took))
        seconds += [sample.seconds for sample in samples]
    held = Latency.of(seconds)
    return [
        Row(f"holds from {CLIENTS} clients", "1/s", median_of(rates), rounds=rates),
        Row(f"holds from {CLIENTS} clients, p50", "ms", held.p50),
        Row(f"holds from {CLIENTS} clients, p99", "ms", held.p99),
    ]
