"""Commands to bookings, as Temporal updates: the caller hears the outcome, or when to come back."""

from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.booking import BookingState
from domain.commands import BookingCommand
from domain.errors import ERRORS_BY_CODE, EngineUnavailableError, HoldfastError
from domain.lifecycle import Command
from domain.steps import BookingRef, BookingStart
from runtime.metrics import COMMANDS
from runtime.temporal import is_outage
from workflows.booking import BookingWorkflow
from workflows.launch import with_start

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
"""The workflow closed between the look and the update: asked again, it is reopened."""

_ATTEMPTS = 3


class EngineGateway:
    def __init__(self, client: Client, timeout: timedelta) -> None:
        self._client = client
        self._timeout = timeout

    async def execute(self, ref: BookingRef, command: BookingCommand, command_id: str) -> BookingState:
        """Give a command and wait until its step is committed. The same `command_id` is applied once.

        Raises:
            HoldfastError: the booking refused (`invalid_transition`, `slot_unavailable`, `forbidden` …).
            EngineUnavailableError: Temporal is away, or no worker answered in time. Asking again with the same
                `command_id` is safe.
        """
        try:
            state = await self._update(ref, command, command_id)
        except HoldfastError as error:
            COMMANDS.labels(command.kind, error.code).inc()
            raise
        COMMANDS.labels(command.kind, "done").inc()
        return state

    async def ping(self) -> None:
        """Ask Temporal for a sign of life; raises whatever the client says when there is none."""
        await self._client.service_client.check_health(timeout=timedelta(seconds=1))

    async def _update(self, ref: BookingRef, command: BookingCommand, command_id: str) -> BookingState:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._send(ref, command, command_id)
            except WorkflowUpdateFailedError as error:
                raise _refusal(error) from error
            except WorkflowUpdateRPCTimeoutOrCancelledError as error:
                raise EngineUnavailableError("No worker answered in time. Try again.") from error
            except RPCError as error:
                if error.status in _GONE_MEANWHILE and attempt < _ATTEMPTS:
                    continue
                raise EngineUnavailableError from error
            except RuntimeError as error:
                if is_outage(error):
                    raise EngineUnavailableError from error
                raise
        raise EngineUnavailableError

    async def _send(self, ref: BookingRef, command: BookingCommand, command_id: str) -> BookingState:
        start = BookingStart(booking_id=ref.booking_id, business_id=ref.business_id)
        state: BookingState = await self._client.execute_update_with_start_workflow(
            _UPDATES[command.kind],
            command,
            start_workflow_operation=with_start(start),
            id=command_id,
            rpc_timeout=self._timeout,
        )
        return state


def _refusal(error: WorkflowUpdateFailedError) -> Exception:
    """The booking's refusal as the error it was raised as."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.type in ERRORS_BY_CODE:
        extra = cause.details[0] if cause.details else {}
        return ERRORS_BY_CODE[cause.type](cause.message, **extra)
    return error
