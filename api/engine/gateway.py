"""Commands to bookings, as Temporal updates: the caller hears the outcome, or when to come back."""

import asyncio
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
from domain.commands import BookingCommand
from domain.errors import ERRORS_BY_CODE, EngineUnavailableError, HoldfastError, RepeatedCommandError
from domain.lifecycle import Command
from domain.steps import BookingRef, BookingStart
from runtime.metrics import CAUGHT_UP, COMMANDS
from runtime.temporal import is_outage
from workflows.booking import BookingWorkflow
from workflows.launch import tell_to_catch_up, with_start
from workflows.reconciliation import start_reconciliation

_log = structlog.get_logger()

_UPDATES: dict[Command, Any] = {
    Command.ACCEPT: BookingWorkflow.accept,
    Command.REJECT: BookingWorkflow.reject,
    Command.START: BookingWorkflow.start,
    Command.COMPLETE: BookingWorkflow.complete,
    Command.NO_SHOW: BookingWorkflow.no_show,
    Command.CANCEL: BookingWorkflow.cancel,
    Command.RESCHEDULE: BookingWorkflow.reschedule,
    Command.ASSIGN: BookingWorkflow.assign,
    Command.OVERRIDE: BookingWorkflow.override,
}

_GONE_MEANWHILE = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.ABORTED, RPCStatusCode.FAILED_PRECONDITION})
"""The workflow closed between the look and the update."""

_CLOSED_UNDER_IT = "AcceptedUpdateCompletedWorkflow"
"""What Temporal says of an update whose workflow closed after it had been accepted."""

_ATTEMPTS = 3


class EngineGateway:
    def __init__(self, client: Client, timeout: timedelta) -> None:
        self._client = client
        self._timeout = timeout

    async def execute(self, ref: BookingRef, command: BookingCommand, update_id: str) -> BookingState:
        """Give a command and wait until its step is committed. The same `update_id` is answered the same.

        Raises:
            RepeatedCommandError: it was applied before, and the booking has gone on since.
            HoldfastError: the booking refused (`invalid_transition`, `slot_unavailable`, `forbidden` …).
            EngineUnavailableError: Temporal is away, or no worker answered in time. Asking again with the same
                `update_id` is safe.
        """
        try:
            state = await self._update(ref, command, update_id)
        except HoldfastError as error:
            COMMANDS.labels(command.kind, error.code).inc()
            raise
        COMMANDS.labels(command.kind, "done").inc()
        return state

    async def catch_up(self, booking_id: UUID, *, by: str) -> None:
        """Have the booking's workflow read from the database what it may not know; nothing if none runs.

        `by` says for the metrics who found that.

        Raises:
            EngineUnavailableError: Temporal is away.
        """
        try:
            await tell_to_catch_up(self._client, booking_id)
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

    async def _update(self, ref: BookingRef, command: BookingCommand, update_id: str) -> BookingState:
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                return await self._send(ref, command, update_id)
            except (WorkflowUpdateFailedError, RPCError, RuntimeError) as error:
                if not (attempts_left and _run_has_closed(error)):
                    raise _explained(error, command) from error
            except WorkflowUpdateRPCTimeoutOrCancelledError as error:
                raise EngineUnavailableError("No worker answered in time. Try again.") from error
        raise EngineUnavailableError

    async def _send(self, ref: BookingRef, command: BookingCommand, update_id: str) -> BookingState:
        start = with_start(BookingStart(booking_id=ref.booking_id, business_id=ref.business_id))
        try:
            state: BookingState = await self._client.execute_update_with_start_workflow(
                _UPDATES[command.kind],
                command,
                start_workflow_operation=start,
                id=update_id,
                rpc_timeout=self._timeout,
            )
        except (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError):
            await _read_outcome(start)
            raise
        return state


async def _read_outcome(start: WithStartWorkflowOperation[Any, Any]) -> None:
    """Read how the start half went: asyncio logs an exception that nobody reads as an error, with its trace."""
    await asyncio.gather(start.workflow_handle(), return_exceptions=True)


def _run_has_closed(error: Exception) -> bool:
    """Whether the run ended before or while the command waited in it: asked again, it is reopened."""
    if isinstance(error, RPCError):
        return error.status in _GONE_MEANWHILE
    cause = error.cause if isinstance(error, WorkflowUpdateFailedError) else None
    return isinstance(cause, ApplicationError) and cause.type == _CLOSED_UNDER_IT


def _explained(error: Exception, command: BookingCommand) -> Exception:
    """The booking's refusal as the error it was raised as; what kept the command from it as an outage."""
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
