"""A provider's acceptance over HTTP, from the request to the answer."""

from functools import partial
from uuid import UUID

from temporalio.client import WorkflowHandle

from bench.baseline.workflows import TASK_QUEUE, RecordsOnUpdate
from bench.http_client import encode
from bench.load import Send, closed_loop, open_loop
from bench.operations import CLIENTS
from bench.results import Row, below
from bench.stats import Latency
from bench.testbed import Testbed
from bench.workload import Workload
from runtime.ids import new_id

RATE = 20

Waiting = WorkflowHandle[RecordsOnUpdate, None]


async def measure(testbed: Testbed, workload: Workload) -> list[Row]:
    """Alternate bare updates and acceptances at 20/s."""
    baseline: list[float] = []
    holdfast: list[float] = []
    for _ in range(workload.rounds):
        updates = await _bare_updates(testbed, workload.operations_at(RATE))
        baseline += [sample.seconds for sample in await open_loop(RATE, updates)]
        answers = await accepts(testbed, workload.operations_at(RATE))
        holdfast += [sample.seconds for sample in await open_loop(RATE, answers)]
    bare, accepted = Latency.of(baseline), Latency.of(holdfast)
    return [
        Row(f"accept at {RATE}/s, p50", "ms", accepted.p50, bare.p50, "bare update", below(30)),
        Row(f"accept at {RATE}/s, p99", "ms", accepted.p99, bare.p99, "bare update"),
    ]


async def _bare_updates(testbed: Testbed, count: int) -> list[Send[None]]:
    """Start waiting workflows; returns one update for each."""
    samples, _ = await closed_loop(CLIENTS, [partial(_start_waiting, testbed) for _ in range(count)])
    return [partial(_update, sample.result) for sample in samples]


async def _start_waiting(testbed: Testbed) -> Waiting:
    return await testbed.temporal.start_workflow(
        RecordsOnUpdate.run, id=f"baseline-update/{new_id()}", task_queue=TASK_QUEUE
    )


async def _update(handle: Waiting) -> None:
    await handle.execute_update(RecordsOnUpdate.record, str(new_id()))


async def accepts(testbed: Testbed, count: int) -> list[Send[None]]:
    """Create bookings and wait until they are offered; returns the provider's acceptance of each."""
    slots = [testbed.slots.take() for _ in range(count)]
    requests = [partial(testbed.holdfast.expect, 201, testbed.create_request(slot)) for slot in slots]
    await closed_loop(CLIENTS, requests)
    await testbed.until_quiet()
    tokens = {slot.provider: testbed.token(slot.provider) for slot in slots}
    offers = await testbed.database.fetch(_OFFERED, testbed.tenant.business_id, count)
    by_provider = {provider.provider_id: token for provider, token in tokens.items()}
    return [partial(_accept, testbed, row["id"], by_provider[row["provider_id"]]) for row in offers]


_OFFERED = """
SELECT id, provider_id FROM bookings
WHERE business_id = $1 AND status = 'assigned' ORDER BY id DESC LIMIT $2
"""


async def _accept(testbed: Testbed, booking_id: UUID, token: str) -> None:
    await testbed.holdfast.expect(200, encode("POST", f"/v1/bookings/{booking_id}/accept", token=token))
