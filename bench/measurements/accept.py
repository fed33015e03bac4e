"""A provider's accept over HTTP, from the request to the committed state."""

from functools import partial
from uuid import UUID

from temporalio.client import WorkflowHandle

from bench.effort import Effort
from bench.floor.workflows import TASK_QUEUE, RecordsOnUpdate
from bench.http_client import encode
from bench.operations import CLIENTS
from bench.pace import Send, closed_loop, open_loop
from bench.results import Row, below
from bench.rig import Rig
from bench.stats import Latency
from runtime.ids import new_id

RATE = 20

Waiting = WorkflowHandle[RecordsOnUpdate, None]


async def measure(rig: Rig, effort: Effort) -> list[Row]:
    """Bare updates and accepts take turns at 20/s."""
    floor: list[float] = []
    own: list[float] = []
    for _ in range(effort.rounds):
        updates = await _bare_updates(rig, effort.paced(RATE))
        floor += [sample.seconds for sample in await open_loop(RATE, updates)]
        answers = await accepts(rig, effort.paced(RATE))
        own += [sample.seconds for sample in await open_loop(RATE, answers)]
    bare, accepted = Latency.of(floor), Latency.of(own)
    return [
        Row(f"accept at {RATE}/s, p50", "ms", accepted.p50, bare.p50, "bare update", below(30)),
        Row(f"accept at {RATE}/s, p99", "ms", accepted.p99, bare.p99, "bare update"),
    ]


async def _bare_updates(rig: Rig, count: int) -> list[Send[None]]:
    """Workflows that wait, and one update for each."""
    samples, _ = await closed_loop(CLIENTS, [partial(_start_waiting, rig) for _ in range(count)])
    return [partial(_update, sample.result) for sample in samples]


async def _start_waiting(rig: Rig) -> Waiting:
    return await rig.temporal.start_workflow(
        RecordsOnUpdate.run, id=f"floor-update/{new_id()}", task_queue=TASK_QUEUE
    )


async def _update(handle: Waiting) -> None:
    await handle.execute_update(RecordsOnUpdate.record, str(new_id()))


async def accepts(rig: Rig, count: int) -> list[Send[None]]:
    """Bookings that are offered, and the answer of each one's provider."""
    slots = [rig.slots.take() for _ in range(count)]
    requests = [partial(rig.holdfast.expect, 201, rig.create_request(slot)) for slot in slots]
    await closed_loop(CLIENTS, requests)
    await rig.until_quiet()
    tokens = {slot.provider: rig.token(slot.provider) for slot in slots}
    offers = await rig.database.fetch(_OFFERED, rig.tenant.business_id, count)
    by_provider = {provider.provider_id: token for provider, token in tokens.items()}
    return [partial(_accept, rig, row["id"], by_provider[row["provider_id"]]) for row in offers]


_OFFERED = """
SELECT id, provider_id FROM bookings
WHERE business_id = $1 AND status = 'assigned' ORDER BY id DESC LIMIT $2
"""


async def _accept(rig: Rig, booking_id: UUID, token: str) -> None:
    await rig.holdfast.expect(200, encode("POST", f"/v1/bookings/{booking_id}/accept", token=token))
