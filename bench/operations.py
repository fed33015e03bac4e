"""Operations that several measurements time."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import orjson

from bench.baseline.workflows import TASK_QUEUE, RecordsOneStep
from bench.load import Sample, Send, closed_loop
from bench.testbed import Testbed
from runtime.ids import new_id

CLIENTS = 20


def creates(testbed: Testbed, count: int) -> list[Send[UUID]]:
    """Create bookings over HTTP on free slots; each returns the booking's id."""
    return [partial(_create, testbed, testbed.create_request()) for _ in range(count)]


def baseline_creates(testbed: Testbed, count: int) -> list[Send[None]]:
    """Create bookings through the baseline's handler."""
    return [partial(_baseline_create, testbed, testbed.baseline_request()) for _ in range(count)]


def bare_starts(testbed: Testbed, count: int) -> list[Send[UUID]]:
    """Start the baseline's workflows; each returns the id of the step that the workflow records."""
    return [partial(_bare_start, testbed, new_id()) for _ in range(count)]


async def _create(testbed: Testbed, request: bytes) -> UUID:
    answer = await testbed.holdfast.expect(201, request)
    return UUID(orjson.loads(answer.body)["id"])


async def _baseline_create(testbed: Testbed, request: bytes) -> None:
    await testbed.baseline.expect(201, request)


async def _bare_start(testbed: Testbed, step_id: UUID) -> UUID:
    await testbed.temporal.start_workflow(
        RecordsOneStep.run, str(step_id), id=f"baseline/{step_id}", task_queue=TASK_QUEUE
    )
    return step_id


async def warm_up(testbed: Testbed, count: int = 150) -> None:
    """Fill caches, query plans and connection pools as in normal operation."""
    for client in (testbed.holdfast, testbed.baseline):
        await client.open(CLIENTS)
    await closed_loop(CLIENTS, baseline_creates(testbed, count))
    started, _ = await closed_loop(CLIENTS, bare_starts(testbed, count))
    await testbed.recorded_at(results(started))
    await closed_loop(CLIENTS, creates(testbed, count))
    await testbed.until_quiet()


def results(samples: Sequence[Sample[UUID]]) -> list[UUID]:
    return [sample.result for sample in samples]
