"""Throughput and CPU time of effects: webhook deliveries, compared with bare activities that call the endpoint."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from bench.baseline.processes import BASELINE_WORKER
from bench.baseline.worker import EFFECTS_QUEUE, POST
from bench.load import Send, closed_loop
from bench.operations import results
from bench.resource_usage import cpu_between
from bench.results import Row
from bench.servers import CLIENT
from bench.stats import median_of, throughput
from bench.testbed import Testbed
from bench.webhook_endpoint import EVENT, Endpoint
from bench.workload import Workload
from runtime.ids import new_id

HOLDFAST = ("postgres", "temporal", "worker")
BASELINE = ("postgres", "temporal", BASELINE_WORKER, CLIENT)

_STARTERS = 16
"""As many as the relay starts at the same time."""

Round = tuple[float, dict[str, float]]
"""Effects per second, and CPU milliseconds per effect by process."""


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Alternate bare activities and webhooks; the endpoint is the same, and its CPU time is not counted."""
    endpoint = await Endpoint.register(testbed, EVENT)
    baseline: list[Round] = []
    holdfast: list[Round] = []
    for number in range(workload.burst_rounds):
        baseline.append(
            await _round(testbed, BASELINE, workload.effects, _bare(testbed, endpoint, workload.effects))
        )
        holdfast.append(
            await _round(testbed, HOLDFAST, workload.effects, _delivered(endpoint, workload.effects, number))
        )
    await endpoint.remove()
    return _rows(baseline, holdfast)


async def _round(testbed: Testbed, names: tuple[str, ...], count: int, work: Coroutine[Any, Any, None]) -> Round:
    loop = asyncio.get_running_loop()
    before, started = testbed.servers.usage(names), loop.time()
    await work
    seconds = loop.time() - started
    used = cpu_between(before, testbed.servers.usage(names))
    return throughput(count, seconds), {name: spent / count * 1000 for name, spent in used.items()}


async def _bare(testbed: Testbed, endpoint: Endpoint, count: int) -> None:
    url = f"{endpoint.vendors_url}/webhook_receiver/hooks/bare"
    started, _ = await closed_loop(_STARTERS, _starts(testbed, url, count))
    await testbed.recorded_at(results(started))


def _starts(testbed: Testbed, url: str, count: int) -> list[Send[UUID]]:
    return [partial(_start, testbed, url, new_id()) for _ in range(count)]


async def _start(testbed: Testbed, url: str, step_id: UUID) -> UUID:
    await testbed.temporal.start_activity(
        POST,
        args=[url, str(step_id)],
        id=f"baseline/{step_id}",
        task_queue=EFFECTS_QUEUE,
        start_to_close_timeout=timedelta(seconds=30),
    )
    return step_id


async def _delivered(endpoint: Endpoint, count: int, number: int) -> None:
    await endpoint.add_events(count)
    await endpoint.until_ended(count * (number + 1))


def _rows(baseline: list[Round], holdfast: list[Round]) -> list[Row]:
    rates = [rate for rate, _ in holdfast]
    totals = [sum(used.values()) for _, used in holdfast]
    bare = "bare activity"
    rows = [
        Row("effects, completed", "1/s", median_of(rates), median_of(r for r, _ in baseline), bare, None, rates),
        Row(
            "CPU per effect, all processes",
            "ms",
            median_of(totals),
            median_of(sum(used.values()) for _, used in baseline),
            bare,
            None,
            totals,
        ),
    ]
    for name, other in zip(HOLDFAST, BASELINE, strict=False):
        value = median_of(used[name] for _, used in holdfast)
        bare_value = median_of(used[other] for _, used in baseline)
        rows.append(Row(f"  {name}", "ms", value, bare_value, "" if name == other else other))
    return rows
