"""Baseline for assigning and accepting: minimal workflows that record one step (one INSERT)."""

from datetime import timedelta

from temporalio import workflow

TASK_QUEUE = "bench-baseline"
RECORD = "record"

_TIMEOUT = timedelta(seconds=20)


@workflow.defn
class RecordsOneStep:
    """Records one step and completes."""

    @workflow.run
    async def run(self, step_id: str) -> None:
        await workflow.execute_local_activity(RECORD, step_id, start_to_close_timeout=_TIMEOUT)


@workflow.defn
class RecordsOnUpdate:
    """Waits for one update; its handler records a step and answers."""

    def __init__(self) -> None:
        self._done = False

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self._done and workflow.all_handlers_finished())

    @workflow.update
    async def record(self, step_id: str) -> None:
        await workflow.execute_local_activity(RECORD, step_id, start_to_close_timeout=_TIMEOUT)
        self._done = True
