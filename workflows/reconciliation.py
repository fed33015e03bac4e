"""One round that compares vendors' records with bookings, integration by integration. A schedule starts it.

The next round is the retry: one that cannot be compared is found again then, and holds up no other.
"""

import asyncio

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from uuid import UUID

    from domain import names
    from domain.reconciliation import MOST_INTEGRATIONS, IntegrationRef, Reconciled, ReconcileRequest, Rounds
    from domain.steps import Reason
    from workflows import options

_AT_ONCE = 5
"""How many run at once: the other places of the queue stay free for calendars and messages."""


@workflow.defn(name=names.RECONCILE_WORKFLOW)
class ReconcileWorkflow:
    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @workflow.run
    async def run(self, request: ReconcileRequest) -> Rounds:
        """Compare the next integrations, and the rest in a new run."""
        refs = await _list(request)
        so_far = request.so_far or Rounds()
        outcomes = await asyncio.gather(*(self._reconcile(ref) for ref in refs))
        done = [outcome for outcome in outcomes if outcome is not None]
        flags = [await _flag(booking_id) for outcome in done for booking_id in outcome.flag]
        now = Rounds(
            integrations=so_far.integrations + len(refs),
            failed=so_far.failed + outcomes.count(None),
            compared=so_far.compared + sum(outcome.compared for outcome in done),
            repairing=so_far.repairing + sum(outcome.repairing for outcome in done),
            flagged=so_far.flagged + flags.count(True),
        )
        if len(refs) == MOST_INTEGRATIONS:
            rest = {"after": refs[-1].integration_id, "so_far": now}
            workflow.continue_as_new(request.model_copy(update=rest))
        return now

    async def _reconcile(self, ref: IntegrationRef) -> Reconciled | None:
        """Compare one; none when that failed."""
        async with self._slots:
            try:
                return await _compare(ref)
            except ActivityError:
                return None


async def _list(request: ReconcileRequest) -> list[IntegrationRef]:
    result: list[IntegrationRef] = await workflow.execute_local_activity(
        names.LIST_TO_RECONCILE,
        request,
        result_type=list[IntegrationRef],
        start_to_close_timeout=options.STEP_TIMEOUT,
        retry_policy=options.CHECK_RETRY,
    )
    return result


async def _compare(ref: IntegrationRef) -> Reconciled:
    result: Reconciled = await workflow.execute_activity(
        names.RECONCILE_INTEGRATION,
        ref,
        result_type=Reconciled,
        task_queue=names.SYNC_TASK_QUEUE,
        start_to_close_timeout=options.RECONCILE_TIMEOUT,
        schedule_to_close_timeout=options.RECONCILE_TOTAL_TIMEOUT,
        heartbeat_timeout=options.RECONCILE_HEARTBEAT,
        retry_policy=options.RECONCILE_RETRY,
        priority=options.in_turn(ref.business_id),
    )
    return result


async def _flag(booking_id: UUID) -> bool:
    """Flag a booking; False when its workflow does not run now, and the next round tries again."""
    handle = workflow.get_external_workflow_handle(names.booking_workflow_id(booking_id))
    try:
        await handle.signal(names.FLAG_SIGNAL, Reason.DIFFERS_AT_VENDOR)
    except ApplicationError:
        return False
    return True


async def start_reconciliation(client: Client, business_id: UUID) -> None:
    """Start comparing one business now, or leave the round that is under way alone.

    Raises:
        RPCError: the server refused or cannot be reached.
    """
    await client.start_workflow(
        ReconcileWorkflow.run,
        ReconcileRequest(business_id=business_id),
        id=names.reconcile_workflow_id(business_id),
        task_queue=names.BOOKINGS_TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        execution_timeout=options.RECONCILE_TOTAL_TIMEOUT * 2,
        priority=options.in_turn(business_id),
    )
