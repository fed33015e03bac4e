"""Replays histories with the current workflow code, like a worker that takes over a workflow."""

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from worker.booking_worker import sandbox
from workflows.account_messages import AccountMessageWorkflow
from workflows.booking import BookingWorkflow
from workflows.external_calendars import RefreshExternalCalendars
from workflows.reconciliation import ReconcileWorkflow


async def replay(history: WorkflowHistory) -> None:
    """Replay one history.

    Raises:
        NondeterminismError: the current code would have acted differently.
    """
    replayer = Replayer(
        workflows=[BookingWorkflow, RefreshExternalCalendars, AccountMessageWorkflow, ReconcileWorkflow],
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(history)
