"""The booking's life, from the request to its end. This file is the state machine.

One writer: the handlers below only check, enqueue and wait; the loop in `_live` alone applies commands and
records steps, and `_record` is the only place where the state changes.
"""

import asyncio
import contextlib
from datetime import datetime
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from domain import names, timeline
    from domain.booking import BookingState
    from domain.commands import BookingCommand, Cancel, check, is_too_late
    from domain.errors import (
        AppointmentBegunError,
        HoldfastError,
        InvalidRequestError,
        ProviderUnfitError,
        RepeatedCommandError,
        SlotUnavailableError,
    )
    from domain.lifecycle import RELEASES_TIME, Status, is_terminal
    from domain.notifications import reminder_due
    from domain.payments import PaymentGate
    from domain.steps import (
        BookingRef,
        BookingStart,
        CatchUp,
        FormerJob,
        Hold,
        Outcome,
        Reason,
        Step,
        StepKind,
        StepResult,
    )
    from domain.timeline import DeadlineKind, Phase, Reminder
    from domain.transitions import Decision, decide
    from workflows import steps, visibility
    from workflows.handlers import OPERATOR, CommandHandlers


_MOVES_END_AT_START = "customers-moves-end-at-the-start"


class _SupersededError(Exception):
    """The history was ahead: the state has been taken from it, and whatever was decided must be decided anew."""


@workflow.defn(name=names.BOOKING_WORKFLOW)
class BookingWorkflow(CommandHandlers):
    @workflow.init
    def __init__(self, start: BookingStart) -> None:
        super().__init__(start.state)
        self._ref = BookingRef(booking_id=start.booking_id, business_id=start.business_id)
        self._start = start
        self._reminded_until: datetime | None = None
        self._was_reset = False
        workflow.register_random_seed_callback(self._on_reset)

    # --- the life of a booking ---------------------------------------------------------------------------

    @workflow.run
    async def run(self, start: BookingStart) -> BookingState:
        """Live until the booking has ended; a cancellation of the workflow is a command to the booking."""
        life = asyncio.create_task(self._live())
        try:
            return await asyncio.shield(life)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is None:  # the worker is letting go, nobody asked
                raise
        # Temporal asks once; whatever interrupts from here on is the worker letting go.
        self._inbox.put(Cancel(actor=OPERATOR, reason=Reason.CANCELLED_IN_TEMPORAL))
        return await life

    async def _live(self) -> BookingState:
        await self._begin()
        while not self._is_over():
            try:
                await self._pass_phase()
            except _SupersededError:
                continue
        return self._state

    async def _pass_phase(self) -> None:
        match self._state.status:
            case Status.PENDING | Status.REJECTED | Status.NO_SHOW:
                await self._find_provider()
            case Status.ASSIGNED:
                await self._await_answer()
            case Status.ACCEPTED | Status.IN_PROGRESS:
                await self._await_completion()
            case Status.COMPLETED | Status.CANCELLED:
                await self._wind_up()

    async def _find_provider(self) -> None:
        if timeline.phase(self._state) is Phase.CLOSING:
            return await self._move_to(Status.CANCELLED, Reason.CUSTOMER_NO_SHOW)
        if await self._see_to_payment():
            return None
        # An attempt that is due goes before commands: whoever answers right behind the creation finds an offer.
        due = self._due_now() or await self._wait_for_deadline()
        if due is DeadlineKind.NEXT_ATTEMPT:
            return await self._attempt_assignment()
        if due is not None:
            reason = Reason.PAYMENT_EXPIRED if due is DeadlineKind.PAYMENT_EXPIRES else Reason.EXPIRED
            return await self._move_to(Status.CANCELLED, reason)
        return None

    async def _see_to_payment(self) -> bool:
        """Note a payment that has come, be its deadline over by now, or ask for one; False: nothing to do."""
        if self._is_paid():
            await self._note_payment()
        elif self._state.awaits_payment and self._state.version == 1:
            await self._ask_for_payment()
        else:
            return False
        return True

    async def _await_answer(self) -> None:
        if self._state.auto_accept:
            return await self._move_to(Status.ACCEPTED, Reason.AUTO_ACCEPTED)
        due = await self._wait_for_deadline()
        if due is DeadlineKind.OFFER_EXPIRES:
            return await self._move_to(Status.REJECTED, Reason.OFFER_EXPIRED)
        if due is DeadlineKind.BOOKING_EXPIRES:
            return await self._move_to(Status.CANCELLED, Reason.EXPIRED)
        return None

    async def _await_completion(self) -> None:
        if await self._wait_for_deadline() is DeadlineKind.OVERDUE:
            await self._flag(Reason.OVERDUE)

    async def _wind_up(self) -> None:
        """Wait until everybody is answered; an override that comes meanwhile brings the booking back."""
        await workflow.wait_condition(self._nothing_left_or_called)
        if self._inbox:
            await self._serve_command()
        elif self._may_be_behind():
            await self._resume()

    # --- beginning and ending a run ----------------------------------------------------------------------

    async def _begin(self) -> None:
        if self._current is None:
            await self._resume()
        else:
            workflow.set_current_details(visibility.details(self._state))
        if self._start.flag_reason and not (is_terminal(self._state.status) or self._state.needs_attention):
            with contextlib.suppress(_SupersededError):
                await self._flag(self._start.flag_reason)

    async def _resume(self) -> None:
        """Take the state from the database: it may hold steps that this run does not know.

        The run before this one ended, or was reset to an earlier point, or a step was committed and Temporal lost
        the workflow task that recorded it.
        """
        if self._was_reset or self._current is None:
            self._was_reset = False
            self._adopt(await steps.load_booking(self._ref))
        if self._told_to_catch_up:
            self._told_to_catch_up = False
            await self._catch_up()

    async def _catch_up(self) -> None:
        ref, known = self._ref, self._state.version
        found = await steps.catch_up(
            CatchUp(booking_id=ref.booking_id, business_id=ref.business_id, version=known)
        )
        self._remember(found)
        if found.state is not None and found.state.version > known:
            self._adopt(found.state)

    def _is_over(self) -> bool:
        return is_terminal(self._state.status) and self._nothing_left()

    def _may_be_behind(self) -> bool:
        return self._was_reset or self._told_to_catch_up

    def _nothing_left(self) -> bool:
        return not self._inbox and not self._may_be_behind() and workflow.all_handlers_finished()

    def _nothing_left_or_called(self) -> bool:
        return bool(self._inbox) or self._may_be_behind() or self._nothing_left()

    def _has_grown_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and self._nothing_left()

    def _continue_in_new_run(self) -> NoReturn:
        ref = self._ref
        workflow.continue_as_new(
            BookingStart(booking_id=ref.booking_id, business_id=ref.business_id, state=self._state)
        )

    def _on_reset(self, _seed: int) -> None:
        # The server hands out a new random seed when, and only when, a run is reset.
        self._was_reset = True

    # --- waiting -----------------------------------------------------------------------------------------

    def _due_now(self) -> DeadlineKind | None:
        deadline = timeline.deadline(self._state)
        return deadline.kind if deadline and deadline.at <= workflow.now() else None

    async def _wait_for_deadline(self) -> DeadlineKind | None:
        """Serve commands and reminders until the phase's deadline; none when something moved the booking first."""
        version = self._state.version
        while self._state.version == version:
            if self._may_be_behind():
                await self._resume()
                return None
            if self._inbox or self._is_paid():
                await self._serve_caller()
            elif self._alarms:
                await self._raise_alarm()
            elif self._has_grown_long():
                self._continue_in_new_run()
            elif (reminder := self._reminder_due()) is not None:
                await self._remind(reminder)
            elif (due := self._due_now()) is not None:
                return due
            else:
                await self._rest()
        return None

    async def _rest(self) -> None:
        """Sleep until the next moment of the plan, or until somebody calls."""
        at, why = self._next_moment()
        timeout = None if at is None else at - workflow.now()
        self._resting = True
        try:
            await workflow.wait_condition(self._is_called, timeout=timeout, timeout_summary=why)
        except TimeoutError:
            pass
        finally:
            self._resting = False

    def _is_called(self) -> bool:
        called = bool(self._inbox or self._alarms) or self._may_be_behind()
        return called or self._is_paid() or self._has_grown_long()

    def _next_moment(self) -> tuple[datetime | None, str | None]:
        moments = [(r.at, f"reminder, {r.minutes_before} min before") for r in self._reminders_to_come()[:1]]
        if (deadline := timeline.deadline(self._state)) is not None:
            moments.append((deadline.at, str(deadline.kind)))
        return min(moments, default=(None, None))

    # --- reminders ---------------------------------------------------------------------------------------

    def _reminders_to_come(self) -> list[Reminder]:
        done = self._reminded_until
        return [r for r in timeline.reminders(self._state) if done is None or r.at > done]

    def _reminder_due(self) -> Reminder | None:
        to_come = self._reminders_to_come()
        return to_come[0] if to_come and to_come[0].at <= workflow.now() else None

    async def _remind(self, reminder: Reminder) -> None:
        self._reminded_until = reminder.at
        await steps.send_reminder(reminder_due(self._state, reminder, workflow.now()))

    # --- steps -------------------------------------------------------------------------------------------

    async def _attempt_assignment(self) -> None:
        """Offer the booking to the provider whose time it holds, or to the best one who is free."""
        hold = Hold.KEEP if self._state.holds_time else Hold.CHOOSE
        after = self._state.entering(Status.ASSIGNED, workflow.now())
        outcome = await self._record(Decision(kind=StepKind.TRANSITION, after=after, hold=hold))
        if outcome is not Outcome.RECORDED:
            failed = self._state.assignment_failed(workflow.now())
            await self._record(
                Decision(kind=StepKind.ATTEMPT_FAILED, after=failed, reason=Reason.NO_PROVIDER_FREE)
            )

    async def _move_to(self, status: Status, reason: str) -> None:
        """A step that the booking takes by itself."""
        hold = Hold.RELEASE if status in RELEASES_TIME else Hold.KEEP
        after = self._state.entering(status, workflow.now())
        await self._record(Decision(kind=StepKind.TRANSITION, after=after, hold=hold, reason=reason))

    def _is_paid(self) -> bool:
        """Whether the payment that the booking waits for has come."""
        return self._payment_came and self._state.payment is PaymentGate.AWAITING

    async def _ask_for_payment(self) -> None:
        after = self._state.payment_asked(workflow.now())
        await self._record(Decision(kind=StepKind.PAYMENT_ASKED, after=after))

    async def _note_payment(self) -> None:
        after = self._state.paid(workflow.now())
        await self._record(Decision(kind=StepKind.PAID, after=after))

    async def _flag(self, reason: str) -> None:
        after = self._state.flagged(workflow.now())
        await self._record(Decision(kind=StepKind.FLAGGED, after=after, reason=reason))

    async def _raise_alarm(self) -> None:
        """Flag the booking, unless it is flagged: one look is asked for, whatever there is to see."""
        if not self._state.needs_attention:
            await self._flag(self._alarms[0])
        self._alarms.clear()

    async def _serve_caller(self) -> None:
        if self._inbox:
            await self._serve_command()
        else:
            await self._note_payment()

    async def _serve_command(self) -> None:
        """Apply the first command and answer it. One that meets a newer history is judged again from there."""
        command = self._inbox.first()
        try:
            if command.command_id not in self._applied:
                self._check(command)
                await self._apply(command)
            self._check_still_its_answer(command)
        except HoldfastError as error:
            self._inbox.answer(error)
        except ActivityError:
            # What the database refuses for good is the sender's to hear, and no reason for the booking to fail.
            self._inbox.answer(InvalidRequestError("The database refuses what this command would store."))
        else:
            self._inbox.answer(self._state)

    def _check(self, command: BookingCommand) -> None:
        check(self._state, command)
        role, starts_at = command.actor.role, self._state.starts_at
        # Histories from before this rule go on with moves that it refuses.
        if is_too_late(command.kind, role, starts_at, workflow.now()) and workflow.patched(_MOVES_END_AT_START):
            raise AppointmentBegunError

    def _check_still_its_answer(self, command: BookingCommand) -> None:
        """Refuse to answer a command that was applied before with a state that came after it.

        Raises:
            RepeatedCommandError: whoever asks finds its answer in the history.
        """
        if self._applied.get(command.command_id) not in (None, self._state.version):
            raise RepeatedCommandError

    def _remember(self, result: StepResult) -> None:
        for command_id in result.applied_command_ids:  # as recorded before their versions were part of it
            self._applied.setdefault(command_id, None)
        self._applied.update(result.applied_versions)

    async def _apply(self, command: BookingCommand) -> None:
        if self._state.status is Status.CANCELLED:
            self._payment_came = False  # what was told so far is about a payment that its end has settled
        outcome = await self._record(decide(self._state, command, workflow.now()), command)
        if outcome is Outcome.UNFIT:
            raise ProviderUnfitError
        if outcome is Outcome.UNAVAILABLE:
            raise SlotUnavailableError

    async def _record(self, decision: Decision, command: BookingCommand | None = None) -> Outcome:
        """Commit a step and take its state for ours.

        Raises:
            _SupersededError: the history is ahead; its state has been adopted.
        """
        before = self._state
        result = await steps.record_step(self._step(before, decision, command))
        if result.state is not None:
            self._adopt(result.state)
        self._remember(result)
        if result.outcome is Outcome.STALE:
            raise _SupersededError
        return result.outcome

    def _step(self, before: BookingState, decision: Decision, command: BookingCommand | None) -> Step:
        after = decision.after
        who = decision.actor.user_id or decision.actor.role
        why = (command and command.remark_id) or decision.reason
        what = f"{decision.kind}/{after.status}/{after.starts_at:%Y%m%dT%H%MZ}"
        return Step(
            kind=decision.kind,
            key=f"{workflow.info().run_id}/{what}/{who}/{why}/{command.command_id if command else None}",
            old_status=before.status,
            was_flagged=before.needs_attention,
            before=FormerJob(job_holder_id=before.job_holder_id, starts_at=before.starts_at),
            after=after,
            hold=decision.hold,
            at=after.phase_since,
            actor=decision.actor,
            reason=decision.reason,
            remark_id=command.remark_id if command else None,
            command_id=command.command_id if command else None,
            correlation_id=command.correlation_id if command else None,
        )

    # --- the state ---------------------------------------------------------------------------------------

    def _adopt(self, state: BookingState) -> None:
        """Take a state for ours, and make it readable in the Temporal UI."""
        before, self._current = self._current, state
        if before is None or before.planned_from != state.planned_from:
            self._reminded_until = None
        if changes := visibility.changed_attributes(before, state):
            workflow.upsert_search_attributes(changes)
        workflow.set_current_details(visibility.details(state))
