"""The booking workflow's message handlers: one update for each command, signals, the query and the cancellation.

They change nothing. A handler puts a command into the inbox, and the main loop alone applies it.
"""

import asyncio
import functools
import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from domain import names
from domain.booking import Actor, BookingState
from domain.commands import (
    Accept,
    Assign,
    BookingCommand,
    Cancel,
    Complete,
    NoShow,
    Override,
    Reject,
    Reschedule,
    Start,
    check_at,
    update_name,
)
from domain.errors import HoldfastError
from domain.lifecycle import Role
from domain.steps import BookingStart, Reason
from workflows.inbox import Inbox, refused
from workflows.known_booking import KnownBooking

_CODE = re.compile("[a-z_]{1,40}")
"""What people type may hold personal data, and is not kept."""

_OPERATOR = Actor(role=Role.ADMIN)
"""Whoever acts in the Temporal UI or CLI: access to those is an admin's."""

C = TypeVar("C", bound=BookingCommand)
W = TypeVar("W", bound="MessageHandlers")
R = TypeVar("R")


def _update(command_type: type[C]) -> workflow.UpdateMethodMultiParam[[Any, C], BookingState]:
    """The update that carries a command, and its validator.

    Temporal reads the argument's type from the handler's annotations, so each command has a handler of its own.
    """

    async def submit(self: "MessageHandlers", command: C) -> BookingState:
        """Have the command applied in its turn."""
        return await self._inbox.put(command.model_copy(update={"command_id": _command_id(command)}))

    def validate(self: "MessageHandlers", command: C) -> None:
        self._validate(command)

    submit.__annotations__ = {"command": command_type, "return": BookingState}
    validate.__annotations__ = {"command": command_type, "return": None}
    submit.__name__ = update_name(command_type.kind)
    update: workflow.UpdateMethodMultiParam[[Any, C], BookingState] = workflow.update(submit)
    update.validator(validate)
    return update


def cancelled_by_command(
    run: Callable[[W, BookingStart], Coroutine[Any, Any, R]],
) -> Callable[[W, BookingStart], Coroutine[Any, Any, R]]:
    """Let `run` go on when Temporal cancels its workflow: the cancellation is a command to the booking."""

    @functools.wraps(run)
    async def run_shielded(self: W, start: BookingStart) -> R:
        main_task = asyncio.create_task(run(self, start))
        try:
            return await asyncio.shield(main_task)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is None:  # the worker shuts down, nobody asked
                raise
        # Temporal cancels a workflow once; whatever interrupts from here on is the worker that shuts down.
        self._inbox.put(Cancel(actor=_OPERATOR, reason=Reason.CANCELLED_IN_TEMPORAL))
        return await main_task

    return run_shielded


class MessageHandlers:
    """Base of the booking's workflow: its message handlers, and the state that they answer from."""

    def __init__(self, booking: KnownBooking) -> None:
        self._booking = booking
        self._inbox = Inbox()
        self._is_sleeping = False
        """Whether nothing is under way: the booking's state is what the next command will meet."""
        self._flag_reasons: list[str] = []
        """Why the booking is to be flagged, as far as it has not been."""
        self._payment_came = False
        self._latest_alarm = datetime.min.replace(tzinfo=UTC)
        """The latest moment whose timer has fired in this run."""

    def _now(self) -> datetime:
        """Temporal's time, but never before a moment whose timer has fired.

        A query makes a worker that does not have the run in memory process what happened since the last task. Then
        the time is still that of the last task, but in a replay it is that of the next one. Deadlines that are
        compared with it would lead to other commands than the replay expects, and the run could not go on.
        """
        return max(workflow.now(), self._latest_alarm)

    accept = _update(Accept)
    reject = _update(Reject)
    start = _update(Start)
    complete = _update(Complete)
    no_show = _update(NoShow)
    cancel = _update(Cancel)
    reschedule = _update(Reschedule)
    assign = _update(Assign)
    override = _update(Override)

    def _validate(self, command: BookingCommand) -> None:
        """Refuse, before Temporal stores it, what a sleeping booking cannot take; else the command waits its turn.

        The main loop checks each command again. This check is for the race with whatever moved the booking after
        the API had read it: a command that lost it leaves nothing in the workflow's history.
        """
        booking = self._booking
        is_quiet = self._is_sleeping and not self._inbox and not booking.must_catch_up
        if not is_quiet or booking.has_applied(_command_id(command)):
            return
        try:
            check_at(booking.state, command, self._now())
        except HoldfastError as error:
            raise refused(error) from None

    @workflow.query(name="state", description="The booking as this workflow knows it.")
    def state(self) -> BookingState | None:
        """None until the booking has been read."""
        return self._booking.current

    @workflow.signal(name="accept", description="Accept for the assigned provider, as an admin.")
    def accept_signal(self, command: Accept | None = None) -> None:
        self._inbox.put(command or Accept(actor=_OPERATOR))

    @workflow.signal(name="reject", description="Reject for the assigned provider, as an admin.")
    def reject_signal(self, command: Reject | None = None) -> None:
        self._inbox.put(command or Reject(actor=_OPERATOR))

    @workflow.signal(name=names.PAYMENT_AUTHORIZED, description="The payment gateway has promised the money.")
    def payment_authorized(self) -> None:
        """Sent by the effect that got the promise, once that is committed; more than once does no harm."""
        self._payment_came = True

    @workflow.signal(name=names.CATCH_UP, description="Read the booking from the database again.")
    def catch_up_signal(self) -> None:
        """Sent when the database has a step whose command was never answered; more than once does no harm."""
        self._booking.must_catch_up = True

    @workflow.update(
        name=names.CATCH_UP_TO, description="Read the booking again if the database has this version."
    )
    async def catch_up_to(self, version: int) -> None:
        """Sent with the version that the database has; a run that knows it refuses, which leaves no trace."""
        self._booking.must_catch_up = True

    @catch_up_to.validator
    def _require_older(self, version: int) -> None:
        known = self._booking.current
        if known is None or known.version >= version:
            raise ApplicationError("This run knows that version.", type=names.UP_TO_DATE, non_retryable=True)

    @workflow.signal(name=names.FLAG_SIGNAL, description="Flag the booking for the desk: why, as a code.")
    def flag_signal(self, reason: str = Reason.FLAGGED) -> None:
        self._flag_reasons.append(reason if _CODE.fullmatch(reason) else Reason.FLAGGED)


def _command_id(command: BookingCommand) -> str | None:
    """The command's id: the sender's, else the update's."""
    update = workflow.current_update_info()
    return command.command_id or (update.id if update else None)
