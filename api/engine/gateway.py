"""Commands to bookings, as Temporal updates: the caller gets the outcome, or is told to try again."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.booking import BookingState
from domain.commands import BookingCommand, update_name
from domain.errors import ERRORS_BY_CODE, EngineUnavailableError, HoldfastError, RepeatedCommandError
from domain.lifecycle import Command
from domain.steps import BookingRef, BookingStart
from runtime.metrics import CAUGHT_UP, COMMANDS
from runtime.temporal import is_outage
from workflows.launch import signal_catch_up, with_start
from workflows.reconciliation import start_reconciliation

_log = structlog.get_logger()

_GONE_MEANWHILE = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.ABORTED, RPCStatusCode.FAILED_PRECONDITION})
"""The workflow closed between Temporal's look-up and the update."""

_CLOSED_UNDER_IT = "AcceptedUpdateCompletedWorkflow"
"""What Temporal says of an update whose workflow closed after it had been accepted."""

_FAILURES = (WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, RPCError, RuntimeError)
_ATTEMPTS = 3


class EngineGateway:
    def __init__(self, client: Client, timeout: timedelta) -> None:
        self._client = client
        self._timeout = timeout

    async def send_command(self, ref: BookingRef, command: BookingCommand, update_id: str) -> BookingState:
        """Send a command and wait until its step is committed. The same `update_id` is answered the same.

        Raises:
            RepeatedCommandError: it was applied before, and the booking has gone on since.
            HoldfastError: the booking refused (`invalid_transition`, `slot_unavailable`, `forbidden` …).
            EngineUnavailableError: Temporal is away, or no worker answered in time. Asking again with the same
                `update_id` is safe.
        """
        with _counted(command.kind):
            for attempts_left in reversed(range(_ATTEMPTS)):
                start = with_start(BookingStart(booking_id=ref.booking_id, business_id=ref.business_id))
                try:
                    state: BookingState = await self._client.execute_update_with_start_workflow(
                        update_name(command.kind),
                        command,
                        start_workflow_operation=start,
                        id=update_id,
                        result_type=BookingState,
                        rpc_timeout=self._timeout,
                    )
                except _FAILURES as error:
                    await _read_start(start, error)
                    if not (attempts_left and _run_has_closed(error)):
                        raise _explained(error, command) from error
                else:
                    return state
        raise EngineUnavailableError

    async def catch_up(self, booking_id: UUID, *, by: str) -> None:
        """Have the booking's workflow, if one runs, read from the database what it may not know.

        `by` names for the metrics who found that it may be behind.

        Raises:
            EngineUnavailableError: Temporal is away.
        """
        try:
            await signal_catch_up(self._client, booking_id)
        except (RPCError, RuntimeError) as error:
            if isinstance(error, RPCError) or is_outage(error):
                raise EngineUnavailableError from error
            raise
        CAUGHT_UP.labels(by).inc()

    async def ping(self) -> None:
        """Ask Temporal for a sign of life; raises whatever the client says when there is none."""
        await self._client.service_client.check_health(timeout=timedelta(seconds=1))

    async def reconcile(self, business_id: UUID) -> None:
        """Have a business's bookings compared with its vendors' records, unless that is under way.

        Raises:
            EngineUnavailableError: Temporal is away.
        """
        try:
            await start_reconciliation(self._client, business_id)
        except (RPCError, RuntimeError) as error:
            if not is_outage(error):
                raise
            raise EngineUnavailableError from error


@contextmanager
def _counted(kind: Command) -> Iterator[None]:
    """Count the command by its outcome, once that is known."""
    try:
        yield
    except HoldfastError as error:
        COMMANDS.labels(kind, error.code).inc()
        raise
    COMMANDS.labels(kind, "done").inc()


async def _read_start(start: WithStartWorkflowOperation[Any, Any], error: Exception) -> None:
    """Read how the start went when its RPC failed: asyncio logs an exception that nobody reads as an error."""
    if isinstance(error, RPCError | WorkflowUpdateRPCTimeoutOrCancelledError):
        await asyncio.gather(start.workflow_handle(), return_exceptions=True)


def _run_has_closed(error: Exception) -> bool:
    """Whether the run ended before or while the command waited in it: the next attempt starts a new one."""
    if isinstance(error, RPCError):
        return error.status in _GONE_MEANWHILE
    cause = error.cause if isinstance(error, WorkflowUpdateFailedError) else None
    return isinstance(cause, ApplicationError) and cause.type == _CLOSED_UNDER_IT


def _explained(error: Exception, command: BookingCommand) -> Exception:
    """The error that the caller gets: the booking's refusal, or an outage that kept the command from it."""
    if isinstance(error, WorkflowUpdateRPCTimeoutOrCancelledError):
        return EngineUnavailableError("No worker answered in time. Try again.")
    if isinstance(error, WorkflowUpdateFailedError):
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == RepeatedCommandError.code:
            return RepeatedCommandError()
        if isinstance(cause, ApplicationError) and cause.type in ERRORS_BY_CODE:
            extra = cause.details[0] if cause.details else {}
            return ERRORS_BY_CODE[cause.type](cause.message, **extra)
        return error
    if isinstance(error, RPCError) or is_outage(error):
        _log.warning("command_not_sent", command=command.kind, error=str(error))
        return EngineUnavailableError()
    return error
