"""The workflow's ears: one update a command, signals for the Temporal UI, and the query. They change nothing.

A handler puts the command into the inbox and waits for the main loop's answer.
"""

import re

from temporalio import workflow

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
)
from domain.errors import HoldfastError
from domain.lifecycle import Role
from domain.steps import Reason
from workflows.inbox import Inbox, refused

_CODE = re.compile("[a-z_]{1,40}")
"""What people type may hold personal data, and is not kept."""

OPERATOR = Actor(role=Role.ADMIN)
"""Whoever acts in the Temporal UI or CLI: access to those is an admin's."""


class CommandHandlers:
    """Base of the booking's workflow: what it hears, and the state it answers from."""

    def __init__(self, state: BookingState | None) -> None:
        self._current = state
        self._inbox = Inbox()
        self._resting = False
        self._applied: dict[str | None, int | None] = {}
        """Commands that the history has although this run does not remember applying them, and the versions that
        their steps left, where these are known."""
        self._alarms: list[str] = []
        """Why the booking is to be flagged, as far as it has not been."""
        self._payment_came = False
        self._told_to_catch_up = False
        """Whether the database may hold steps that this workflow does not know."""

    @property
    def _state(self) -> BookingState:
        if self._current is None:
            raise RuntimeError("the booking has not been read yet")
        return self._current

    @workflow.query(name="state", description="The booking as this workflow knows it.")
    def state(self) -> BookingState | None:
        """None until the booking has been read."""
        return self._current

    async def _obey(self, command: BookingCommand) -> BookingState:
        """Have the command applied in its turn. Its own id names it, else the update's."""
        return await self._inbox.put(command.model_copy(update={"command_id": _name_of(command)}))

    def _refuse_early(self, command: BookingCommand) -> None:
        """Refuse, before it is stored, what a resting booking cannot take; else the command waits its turn."""
        if not self._resting or self._inbox or self._told_to_catch_up or _name_of(command) in self._applied:
            return
        try:
            check_at(self._state, command, workflow.now())
        except HoldfastError as error:
            raise refused(error) from None

    @workflow.update
    async def accept(self, command: Accept) -> BookingState:
        return await self._obey(command)

    @accept.validator
    def _check_accept(self, command: Accept) -> None:
        self._refuse_early(command)

    @workflow.update
    async def reject(self, command: Reject) -> BookingState:
        return await self._obey(command)

    @reject.validator
    def _check_reject(self, command: Reject) -> None:
        self._refuse_early(command)

    @workflow.update
    async def start(self, command: Start) -> BookingState:
        return await self._obey(command)

    @start.validator
    def _check_start(self, command: Start) -> None:
        self._refuse_early(command)

    @workflow.update
    async def complete(self, command: Complete) -> BookingState:
        return await self._obey(command)

    @complete.validator
    def _check_complete(self, command: Complete) -> None:
        self._refuse_early(command)

    @workflow.update
    async def no_show(self, command: NoShow) -> BookingState:
        return await self._obey(command)

    @no_show.validator
    def _check_no_show(self, command: NoShow) -> None:
        self._refuse_early(command)

    @workflow.update
    async def cancel(self, command: Cancel) -> BookingState:
        return await self._obey(command)

    @cancel.validator
    def _check_cancel(self, command: Cancel) -> None:
        self._refuse_early(command)

    @workflow.update
    async def reschedule(self, command: Reschedule) -> BookingState:
        return await self._obey(command)

    @reschedule.validator
    def _check_reschedule(self, command: Reschedule) -> None:
        self._refuse_early(command)

    @workflow.update
    async def assign(self, command: Assign) -> BookingState:
        return await self._obey(command)

    @assign.validator
    def _check_assign(self, command: Assign) -> None:
        self._refuse_early(command)

    @workflow.update
    async def override(self, command: Override) -> BookingState:
        return await self._obey(command)

    @override.validator
    def _check_override(self, command: Override) -> None:
        self._refuse_early(command)

    @workflow.signal(name="accept", description="Accept for the assigned provider, as an admin.")
    def accept_signal(self, command: Accept | None = None) -> None:
        self._inbox.put(command or Accept(actor=OPERATOR))

    @workflow.signal(name="reject", description="Reject for the assigned provider, as an admin.")
    def reject_signal(self, command: Reject | None = None) -> None:
        self._inbox.put(command or Reject(actor=OPERATOR))

    @workflow.signal(name=names.PAYMENT_AUTHORIZED, description="The payment gateway has promised the money.")
    def payment_authorized(self) -> None:
        """Sent by the effect that got the promise, once that is committed; more than once does no harm."""
        self._payment_came = True

    @workflow.signal(name=names.CATCH_UP, description="Read the booking from the database again.")
    def catch_up_signal(self) -> None:
        """Sent when the database has a step whose command was never answered; more than once does no harm."""
        self._told_to_catch_up = True

    @workflow.signal(name=names.FLAG_SIGNAL, description="Flag the booking for the desk: why, as a code.")
    def flag_signal(self, reason: str = Reason.FLAGGED) -> None:
        self._alarms.append(reason if _CODE.fullmatch(reason) else Reason.FLAGGED)


def _name_of(command: BookingCommand) -> str | None:
    """The command's id: the sender's, else the update's."""
    update = workflow.current_update_info()
    return command.command_id or (update.id if update else None)
