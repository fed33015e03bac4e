"""A vendor that hangs: what creating and accepting bookings feel of it."""

import asyncio
from dataclasses import dataclass, field

from bench.effort import Effort
from bench.measurements.accept import accepts
from bench.operations import creates
from bench.pace import open_loop
from bench.results import Row, times_floor_at_most
from bench.rig import Rig
from bench.stats import Latency
from bench.webhooks import Endpoint

RATE = 20
ACCEPT_RATE = 5
_TOLD_OF = "scheduling.booking.created"


@dataclass(slots=True)
class _Seconds:
    create: list[float] = field(default_factory=list)
    accept: list[float] = field(default_factory=list)


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Creating at 20/s and accepting at 5/s, while an endpoint is told of every booking: first it answers."""
    endpoint = await Endpoint.register(rig, _TOLD_OF)
    quiet = await _paced(rig, effort.hang_seconds)
    await endpoint.behave("hang")
    hung = await _paced(rig, effort.hang_seconds)
    await endpoint.behave("well")
    await endpoint.remove()
    return [
        *_rows(f"create at {RATE}/s", Latency.of(hung.create), Latency.of(quiet.create)),
        *_rows(f"accept at {ACCEPT_RATE}/s", Latency.of(hung.accept), Latency.of(quiet.accept)),
    ]


async def _paced(rig: Rig, seconds: float) -> _Seconds:
    answers = await accepts(rig, int(ACCEPT_RATE * seconds))
    created, accepted = await asyncio.gather(
        open_loop(RATE, creates(rig, int(RATE * seconds))), open_loop(ACCEPT_RATE, answers)
    )
    await rig.until_quiet()
    return _Seconds([s.seconds for s in created], [s.seconds for s in accepted])


def _rows(name: str, hung: Latency, quiet: Latency) -> list[Row]:
    beside = "the vendor answers"
    return [
        Row(f"{name} while a vendor hangs, p50", "ms", hung.p50, quiet.p50, beside),
        Row(f"{name} while a vendor hangs, p99", "ms", hung.p99, quiet.p99, beside, times_floor_at_most(2)),
    ]
