"""Holding time, as visitors do who have chosen a slot: 16 of them at once."""

from functools import partial

from bench.effort import Effort
from bench.pace import closed_loop
from bench.results import Row
from bench.rig import Rig
from bench.stats import Latency, throughput, typical

CLIENTS = 16


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Every hold takes a slot of its own, by a customer who has few others."""
    rates: list[float] = []
    seconds: list[float] = []
    for _ in range(effort.rounds):
        requests = [rig.hold_request() for _ in range(effort.holds)]
        await rig.holdfast.open(CLIENTS)
        samples, took = await closed_loop(CLIENTS, [partial(rig.holdfast.expect, 201, one) for one in requests])
        rates.append(throughput(effort.holds, took))
        seconds += [sample.seconds for sample in samples]
    held = Latency.of(seconds)
    return [
        Row(f"holds from {CLIENTS} clients", "1/s", typical(rates), rounds=rates),
        Row(f"holds from {CLIENTS} clients, p50", "ms", held.p50),
        Row(f"holds from {CLIENTS} clients, p99", "ms", held.p99),
    ]
