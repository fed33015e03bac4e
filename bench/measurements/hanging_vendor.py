"""The effect of a hanging vendor on creating and accepting bookings."""

import asyncio
from dataclasses import dataclass, field

from bench.load import open_loop
from bench.measurements.accept import accepts
from bench.operations import creates
from bench.results import Row, times_baseline_at_most
from bench.stats import Latency
from bench.testbed import Testbed
from bench.webhook_endpoint import Endpoint
from bench.workload import Workload

RATE = 20
ACCEPT_RATE = 5
_EVENT = "scheduling.booking.created"


@dataclass(slots=True)
class _Seconds:
    create: list[float] = field(default_factory=list)
    accept: list[float] = field(default_factory=list)


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Create at 20/s and accept at 5/s, with a webhook per booking; the endpoint answers first and then hangs."""
    endpoint = await Endpoint.register(testbed, _EVENT)
    quiet = await _paced(testbed, workload.hang_seconds)
    await endpoint.set_fault_mode("hang")
    hung = await _paced(testbed, workload.hang_seconds)
    await endpoint.set_fault_mode("well")
    await endpoint.remove()
    return [
        *_rows(f"create at {RATE}/s", Latency.of(hung.create), Latency.of(quiet.create)),
        *_rows(f"accept at {ACCEPT_RATE}/s", Latency.of(hung.accept), Latency.of(quiet.accept)),
    ]


async def _paced(testbed: Testbed, seconds: float) -> _Seconds:
    answers = await accepts(testbed, int(ACCEPT_RATE * seconds))
    created, accepted = await asyncio.gather(
        open_loop(RATE, creates(testbed, int(RATE * seconds))), open_loop(ACCEPT_RATE, answers)
    )
    await testbed.until_quiet()
    return _Seconds([s.seconds for s in created], [s.seconds for s in accepted])


def _rows(name: str, hung: Latency, quiet: Latency) -> list[Row]:
    healthy = "the vendor answers"
    return [
        Row(f"{name} while a vendor hangs, p50", "ms", hung.p50, quiet.p50, healthy),
        Row(f"{name} while a vendor hangs, p99", "ms", hung.p99, quiet.p99, healthy, times_baseline_at_most(2)),
    ]
