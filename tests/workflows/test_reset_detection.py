"""A workflow detects a reset by the new random seed that only a reset brings.

The SDK documents the callback for reseeding only. These tests hold what a booking's workflow relies on. What it
does on a new seed is in its history: it reads its booking again. A replay that sees another seed does not fit it.
"""

from typing import ClassVar

from temporalio import workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain import names
from domain.commands import Accept, Start
from domain.lifecycle import Status
from runtime.ids import new_id
from tests.support.factories import Tenant
from tests.support.replayer import replay
from tests.support.workflows.live import ADMIN, Live


def reads(history: WorkflowHistory) -> int:
    """How often the workflow has read its booking, by the markers of its local activities."""
    recorded = [event for event in history.events if event.HasField("marker_recorded_event_attributes")]
    details = [event.marker_recorded_event_attributes.details.get("data") for event in recorded]
    payloads = [payload.data for found in details if found is not None for payload in found.payloads]
    return sum(f'"{names.LOAD_BOOKING}"'.encode() in data for data in payloads)


async def test_a_reset_is_seen_once_by_the_run_and_by_whoever_replays_it(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    accepted = await booking.give(Accept(actor=ADMIN))
    before = reads(await booking.handle.fetch_history())
    await booking.reset()
    started = await booking.give(Start(actor=ADMIN))
    assert started.version == accepted.version + 1
    history = await booking.handle.fetch_history()
    assert reads(history) == before + 1
    await replay(history)


async def test_a_replay_without_a_reset_sees_none(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    first = reads(await booking.handle.fetch_history())
    await booking.give(Accept(actor=ADMIN))
    history = await booking.handle.fetch_history()
    assert reads(history) == first
    await replay(history)


@workflow.defn
class SeedProbe:
    """Counts its new seeds, and fails a workflow task once."""

    failures: ClassVar = ["once"]

    def __init__(self) -> None:
        self._seeds = 0
        self._is_asked = False
        workflow.register_random_seed_callback(self._count)

    def _count(self, _seed: int) -> None:
        self._seeds += 1

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self._is_asked)
        if self.failures:
            raise RuntimeError(self.failures.pop())
        return self._seeds

    @workflow.signal
    def ask(self) -> None:
        self._is_asked = True


async def test_a_workflow_task_that_is_tried_again_is_no_reset(client: Client) -> None:
    queue = f"seeds-{new_id()}"
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=queue, workflows=[SeedProbe], workflow_runner=runner):
        probe = await client.start_workflow(SeedProbe.run, id=queue, task_queue=queue)
        await probe.signal(SeedProbe.ask)
        assert await probe.result() == 0
    events = (await probe.fetch_history()).events
    assert any(event.HasField("workflow_task_failed_event_attributes") for event in events)
    assert SeedProbe.failures == []
