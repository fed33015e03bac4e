"""The message that a request for an account leads to, sent outside the request, however long it takes."""

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

with workflow.unsafe.imports_passed_through():
    from uuid import UUID

    from domain import names
    from domain.accounts import AccountMessageRef
    from workflows import options


@workflow.defn(name=names.ACCOUNT_MESSAGE_WORKFLOW)
class AccountMessageWorkflow:
    @workflow.run
    async def run(self, ref: AccountMessageRef) -> None:
        """Send it on the queue for calls to other systems: a mail server that hangs holds up no booking."""
        await workflow.execute_activity(
            names.SEND_ACCOUNT_MESSAGE,
            ref,
            task_queue=names.SYNC_TASK_QUEUE,
            start_to_close_timeout=options.MAIL_TIMEOUT,
            schedule_to_close_timeout=options.MAIL_TOTAL_TIMEOUT,
            retry_policy=options.MAIL_RETRY,
            priority=options.in_turn(names.ACCOUNT_MESSAGE_WORKFLOW),
        )


async def start_account_message(client: Client, request_id: UUID) -> None:
    """Start the workflow of a request, or leave the one that runs alone.

    Raises:
        RPCError: the server refused or cannot be reached.
    """
    await client.start_workflow(
        AccountMessageWorkflow.run,
        AccountMessageRef(request_id=request_id),
        id=names.account_message_workflow_id(request_id),
        task_queue=names.BOOKINGS_TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        priority=options.in_turn(names.ACCOUNT_MESSAGE_WORKFLOW),
    )
