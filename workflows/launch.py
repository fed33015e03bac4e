"""Starting and signalling a booking's workflow, the same way for the API, the worker, the bench and the tests."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio.client import Client, WithStartWorkflowOperation, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain import names
from domain.booking import BookingState
from domain.steps import BookingRef, BookingStart
from workflows import options, visibility
from workflows.booking import BookingWorkflow

_SIGNAL_TIMEOUT = timedelta(seconds=3)
_UPDATE_TIMEOUT = timedelta(seconds=10)


async def start_booking(client: Client, start: BookingStart) -> None:
    """Start the booking's workflow, or leave the one that runs alone.

    Raises:
        RPCError: the server refused or cannot be reached.
    """
    await client.start_workflow(BookingWorkflow.run, start, **_start_options(start))


def with_start(start: BookingStart) -> WithStartWorkflowOperation[BookingWorkflow, BookingState]:
    """The start half of an update-with-start: a command that overtakes the start still finds its workflow."""
    return WithStartWorkflowOperation(BookingWorkflow.run, start, **_start_options(start))


async def signal_payment_authorized(client: Client, ref: BookingRef) -> None:
    """Signal to the booking's workflow that its payment is authorized; start it if it does not run.

    Raises:
        RPCError: the server refused or cannot be reached.
    """
    start = BookingStart(booking_id=ref.booking_id, business_id=ref.business_id)
    await client.start_workflow(
        BookingWorkflow.run, start, start_signal=names.PAYMENT_AUTHORIZED, **_start_options(start)
    )


async def signal_catch_up(client: Client, booking_id: UUID) -> None:
    """Signal the booking's workflow to read what the database has. One that does not run needs no signal.

    Raises:
        RPCError: the server refused or cannot be reached.
    """
    handle = client.get_workflow_handle(names.booking_workflow_id(booking_id))
    try:
        await handle.signal(names.CATCH_UP, rpc_timeout=_SIGNAL_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def catch_up_if_older(client: Client, booking_id: UUID, version: int) -> bool:
    """Have the booking's workflow read what the database has, if it knows an older version; whether it does.

    An update, not a query: a query may have a worker process what has happened at the wrong time.

    Raises:
        RPCError: the server refused or cannot be reached.
        WorkflowUpdateRPCTimeoutOrCancelledError: no worker answered in time.
    """
    handle = client.get_workflow_handle(names.booking_workflow_id(booking_id))
    try:
        await handle.execute_update(names.CATCH_UP_TO, version, rpc_timeout=_UPDATE_TIMEOUT)
    except WorkflowUpdateFailedError as error:
        if isinstance(error.cause, ApplicationError) and error.cause.type == names.UP_TO_DATE:
            return False
        raise
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


def _start_options(start: BookingStart) -> dict[str, Any]:
    known = visibility.search_attributes(start.state) if start.state else None
    return {
        "id": names.booking_workflow_id(start.booking_id),
        "task_queue": names.BOOKINGS_TASK_QUEUE,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "id_reuse_policy": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        "priority": options.priority(start.business_id),
        "search_attributes": known or visibility.tenant_attribute(start.business_id),
    }
