"""32 clients request the same slot at the same time: one gets it, the others get a 409."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

from bench.http_client import HttpClient
from bench.load import closed_loop
from bench.results import Row, at_most
from bench.stats import median_of
from bench.testbed import Testbed
from bench.workload import Workload

CLIENTS = 32


@dataclass(slots=True)
class _Outcome:
    milliseconds: list[float] = field(default_factory=list)
    """Time until the last client has its answer, one value per round."""
    wrong_answers: int = 0
    """Answers other than one 201 and 31 times 409."""


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Alternate the baseline and Holdfast, with a new slot in each round."""
    baseline, holdfast = _Outcome(), _Outcome()
    for _ in range(workload.race_rounds):
        slot = testbed.baseline_slots.take()
        await _race(testbed.baseline, [testbed.baseline_request(slot) for _ in range(CLIENTS)], baseline)
        slot = testbed.slots.take()
        await _race(testbed.holdfast, [testbed.create_request(slot) for _ in range(CLIENTS)], holdfast)
        await testbed.until_quiet()
    name = f"{CLIENTS} clients on one slot"
    total = workload.race_rounds * CLIENTS
    return [
        Row(
            f"{name}, all answered",
            "ms",
            median_of(holdfast.milliseconds),
            median_of(baseline.milliseconds),
            "bare handler",
        ),
        Row(
            f"{name}, wrong answers of {total}",
            "",
            holdfast.wrong_answers,
            baseline.wrong_answers,
            "bare handler",
            at_most(0),
        ),
    ]


async def _race(client: HttpClient, requests: list[bytes], outcome: _Outcome) -> None:
    await client.open(CLIENTS)
    samples, seconds = await closed_loop(CLIENTS, [partial(client.send, request) for request in requests])
    outcome.milliseconds.append(seconds * 1000)
    statuses = Counter(sample.result.status for sample in samples)
    outcome.wrong_answers += abs(statuses[201] - 1) + CLIENTS - statuses[201] - statuses[409]
