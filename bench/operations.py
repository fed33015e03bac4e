"""The operations that several measurements time, each a function that sends one and returns what came of it."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

import orjson

from bench.floor.workflows import TASK_QUEUE, RecordsOneStep
from bench.pace import Sample, Send, closed_loop
from bench.rig import Rig
from runtime.ids import new_id

CLIENTS = 20


def creates(rig: Rig, count: int) -> list[Send[UUID]]:
    """Bookings over HTTP on free slots; each returns the booking's id."""
    return [partial(_create, rig, rig.create_request()) for _ in range(count)]


def floor_creates(rig: Rig, count: int) -> list[Send[None]]:
    """The same through the bare handler."""
    return [partial(_floor_create, rig, rig.floor_request()) for _ in range(count)]


def bare_starts(rig: Rig, count: int) -> list[Send[UUID]]:
    """Bare workflow starts; each returns the id of the step that the workflow will record."""
    return [partial(_bare_start, rig, new_id()) for _ in range(count)]


async def _create(rig: Rig, request: bytes) -> UUID:
    answer = await rig.holdfast.expect(201, request)
    return UUID(orjson.loads(answer.body)["id"])


async def _floor_create(rig: Rig, request: bytes) -> None:
    await rig.floor.expect(201, request)


async def _bare_start(rig: Rig, step_id: UUID) -> UUID:
    await rig.temporal.start_workflow(
        RecordsOneStep.run, str(step_id), id=f"floor/{step_id}", task_queue=TASK_QUEUE
    )
    return step_id


async def warm_up(rig: Rig, count: int = 150) -> None:
    """Bring caches, plans and pools of everything into the state they have in a day's work."""
    for client in (rig.holdfast, rig.floor):
        await client.open(CLIENTS)
    await closed_loop(CLIENTS, floor_creates(rig, count))
    started, _ = await closed_loop(CLIENTS, bare_starts(rig, count))
    await rig.recorded_at(results(started))
    await closed_loop(CLIENTS, creates(rig, count))
    await rig.until_quiet()


def results(samples: Sequence[Sample[UUID]]) -> list[UUID]:
    return [sample.result for sample in samples]
