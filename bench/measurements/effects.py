"""Effects a second and CPU per effect: events that an endpoint is told of, beside bare activities that call it."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from bench.effort import Effort
from bench.floor.processes import FLOOR_WORKER
from bench.floor.worker import EFFECTS_QUEUE, POST
from bench.operations import results
from bench.pace import Send, closed_loop
from bench.processes import cpu_between
from bench.results import Row
from bench.rig import Rig
from bench.servers import CLIENT
from bench.stats import throughput, typical
from bench.webhooks import EVENT, Endpoint
from runtime.ids import new_id

HOLDFAST = ("postgres", "temporal", "worker")
FLOOR = ("postgres", "temporal", FLOOR_WORKER, CLIENT)

_STARTERS = 16
"""As many as the relay has under way."""

Turn = tuple[float, dict[str, float]]
"""Effects a second, and CPU milliseconds per effect by process."""


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Bare activities and webhooks take turns; the endpoint is the same, and its own CPU is nobody's."""
    endpoint = await Endpoint.register(rig, EVENT)
    floor: list[Turn] = []
    own: list[Turn] = []
    for number in range(effort.burst_rounds):
        floor.append(await _turn(rig, FLOOR, effort.effects, _bare(rig, endpoint, effort.effects)))
        own.append(await _turn(rig, HOLDFAST, effort.effects, _delivered(endpoint, effort.effects, number)))
    await endpoint.remove()
    return _rows(floor, own)


async def _turn(rig: Rig, names: tuple[str, ...], count: int, work: Coroutine[Any, Any, None]) -> Turn:
    loop = asyncio.get_running_loop()
    before, started = rig.servers.usage(names), loop.time()
    await work
    seconds = loop.time() - started
    used = cpu_between(before, rig.servers.usage(names))
    return throughput(count, seconds), {name: spent / count * 1000 for name, spent in used.items()}


async def _bare(rig: Rig, endpoint: Endpoint, count: int) -> None:
    url = f"{endpoint.vendors_url}/webhook_receiver/hooks/bare"
    started, _ = await closed_loop(_STARTERS, _starts(rig, url, count))
    await rig.recorded_at(results(started))


def _starts(rig: Rig, url: str, count: int) -> list[Send[UUID]]:
    return [partial(_start, rig, url, new_id()) for _ in range(count)]


async def _start(rig: Rig, url: str, step_id: UUID) -> UUID:
    await rig.temporal.start_activity(
        POST,
        args=[url, str(step_id)],
        id=f"floor/{step_id}",
        task_queue=EFFECTS_QUEUE,
        start_to_close_timeout=timedelta(seconds=30),
    )
    return step_id


async def _delivered(endpoint: Endpoint, count: int, turn: int) -> None:
    await endpoint.add_events(count)
    await endpoint.until_ended(count * (turn + 1))


def _rows(floor: list[Turn], own: list[Turn]) -> list[Row]:
    rates = [rate for rate, _ in own]
    totals = [sum(spent.values()) for _, spent in own]
    bare = "bare activity"
    rows = [
        Row("effects, carried out", "1/s", typical(rates), typical(r for r, _ in floor), bare, None, rates),
        Row(
            "CPU per effect, all processes",
            "ms",
            typical(totals),
            typical(sum(spent.values()) for _, spent in floor),
            bare,
            None,
            totals,
        ),
    ]
    for name, other in zip(HOLDFAST, FLOOR, strict=False):
        value, beside = typical(spent[name] for _, spent in own), typical(spent[other] for _, spent in floor)
        rows.append(Row(f"  {name}", "ms", value, beside, "" if name == other else other))
    return rows
