"""The booking's life, from the request to its end. This file is the state machine.

One writer: message handlers only check, enqueue and wait. The loop in `run` alone applies commands and commits
steps, and `KnownBooking` alone changes the state.
"""

import contextlib
from datetime import datetime
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from domain import names, timeline
    from domain.booking import BookingState
    from domain.commands import BookingCommand, check, is_too_late
    from domain.errors import (
        AppointmentBegunError,
        HoldfastError,
        InvalidRequestError,
        ProviderUnfitError,
        SlotUnavailableError,
    )
    from domain.lifecycle import RELEASES_TIME, Status, is_terminal
    from domain.notifications import reminder_due
    from domain.payments import PaymentGate
    from domain.steps import BookingRef, BookingStart, Hold, Outcome, Reason, StepKind
    from domain.timeline import DeadlineKind, Phase, Reminder
    from domain.transitions import Decision, decide
    from workflows import local_activities, visibility
    from workflows.handlers import MessageHandlers, cancelled_by_command
    from workflows.known_booking import KnownBooking, SupersededError


_MOVES_END_AT_START = "customers-moves-end-at-the-start"


@workflow.defn(name=names.BOOKING_WORKFLOW)
class BookingWorkflow(MessageHandlers):
    @workflow.init
    def __init__(self, start: BookingStart) -> None:
        self._ref = BookingRef(booking_id=start.booking_id, business_id=start.business_id)
        super().__init__(KnownBooking(self._ref, start.state))
        self._alarm: datetime | None = None
        """The moment whose timer has just fired, until something has been done about it."""
        workflow.register_random_seed_callback(self._booking.on_reseed)

    # --- the life of a booking ---------------------------------------------------------------------------

    @workflow.run
    @cancelled_by_command
    async def run(self, start: BookingStart) -> BookingState:
        """Live through one phase after the other until the booking has ended."""
        await self._begin(start.flag_reason)
        while not self._is_over():
            with contextlib.suppress(SupersededError):
                await self._run_phase(timeline.phase(self._state))
        return self._state

    async def _run_phase(self, phase: Phase) -> None:
        """Go on until the state has changed, whoever changed it."""
        self._alarm = None
        match phase:
            case Phase.AWAITING_PAYMENT:
                await self._await_payment()
            case Phase.ASSIGNING:
                await self._find_provider()
            case Phase.AWAITING_ANSWER:
                await self._await_answer()
            case Phase.AWAITING_START | Phase.IN_PROGRESS:
                await self._await_completion()
            case Phase.AWAITING_DECISION:
                await self._await_decision()
            case Phase.CLOSING:
                await self._move_to(Status.CANCELLED, Reason.CUSTOMER_NO_SHOW)
            case Phase.ENDED:
                await self._drain()

    async def _await_payment(self) -> None:
        if self._state.version == 1 and not self._is_paid():
            await self._ask_for_payment()
        else:
            await self._expire(await self._due_or_wait())

    async def _find_provider(self) -> None:
        due = await self._due_or_wait()
        if due is DeadlineKind.NEXT_ATTEMPT:
            await self._attempt_assignment()
        else:
            await self._expire(due)

    async def _await_decision(self) -> None:
        """Wait until an owner or admin assigns a provider, moves the booking or overrides its status."""
        await self._expire(await self._due_or_wait())

    async def _await_answer(self) -> None:
        if self._state.auto_accept:
            return await self._move_to(Status.ACCEPTED, Reason.AUTO_ACCEPTED)
        due = await self._wait_for_deadline()
        if due is DeadlineKind.OFFER_EXPIRES:
            return await self._move_to(Status.REJECTED, Reason.OFFER_EXPIRED)
        return await self._expire(due)

    async def _await_completion(self) -> None:
        if await self._wait_for_deadline() is DeadlineKind.OVERDUE:
            await self._flag(Reason.OVERDUE)

    async def _drain(self) -> None:
        """Wait until every sender is answered; an override that comes meanwhile brings the booking back."""
        await workflow.wait_condition(self._has_work_or_is_done)
        if self._inbox:
            await self._apply_first_command()
        elif self._booking.may_be_behind:
            await self._booking.refresh()

    # --- waiting -----------------------------------------------------------------------------------------

    async def _due_or_wait(self) -> DeadlineKind | None:
        """Wait for the deadline of a booking without a provider; none when something moved the booking first.

        A payment that has come goes before the deadline, and the deadline before commands: whoever answers right
        behind the creation finds an offer.
        """
        if self._is_paid():
            await self._note_payment()
            return None
        return self._due_now() or await self._wait_for_deadline()

    async def _wait_for_deadline(self) -> DeadlineKind | None:
        """Serve messages and reminders until the phase's deadline; none when something moved the booking first."""
        version = self._state.version
        while self._state.version == version:
            if self._booking.may_be_behind:
                await self._booking.refresh()
                return None
            if self._inbox:
                await self._apply_first_command()
            elif self._is_paid() or self._flag_reasons:
                await self._take_note()
            elif self._has_grown_long():
                self._continue_in_new_run()
            elif (reminder := self._reminder_due()) is not None:
                await self._remind(reminder)
            elif (due := self._due_now()) is not None:
                return due
            else:
                await self._sleep_until_next()
        return None

    async def _sleep_until_next(self) -> None:
        """Sleep until the next deadline or reminder, or until a message comes."""
        at, why = self._next_moment()
        timeout = None if at is None else at - self._now()
        self._is_sleeping, self._alarm = True, None
        try:
            await workflow.wait_condition(self._has_work, timeout=timeout, timeout_summary=why)
        except TimeoutError:
            self._alarm = self._latest_alarm = at or self._latest_alarm
        finally:
            self._is_sleeping = False

    def _has_work(self) -> bool:
        has_messages = bool(self._inbox or self._flag_reasons) or self._booking.may_be_behind
        return has_messages or self._is_paid() or self._has_grown_long()

    def _due_now(self) -> DeadlineKind | None:
        deadline = timeline.deadline(self._state)
        return deadline.kind if deadline and self._is_due(deadline.at) else None

    def _is_due(self, moment: datetime) -> bool:
        """Whether a moment has come. What an alarm was set for goes before what has become due since."""
        return moment <= (self._alarm or self._now())

    def _next_moment(self) -> tuple[datetime | None, str | None]:
        moments = [(r.at, f"reminder, {r.minutes_before} min before") for r in self._reminders_to_come()[:1]]
        if (deadline := timeline.deadline(self._state)) is not None:
            moments.append((deadline.at, str(deadline.kind)))
        return min(moments, default=(None, None))

    def _reminders_to_come(self) -> list[Reminder]:
        done = self._booking.reminded_until
        return [r for r in timeline.reminders(self._state) if done is None or r.at > done]

    def _reminder_due(self) -> Reminder | None:
        to_come = self._reminders_to_come()
        return to_come[0] if to_come and self._is_due(to_come[0].at) else None

    async def _remind(self, reminder: Reminder) -> None:
        self._booking.reminded_until = reminder.at
        await local_activities.send_reminder(reminder_due(self._state, reminder, self._now()))
        self._alarm = None

    # --- commands ----------------------------------------------------------------------------------------

    async def _apply_first_command(self) -> None:
        """Apply the first command and answer it. One that meets a newer state is judged again from there."""
        command, booking = self._inbox.first(), self._booking
        try:
            if not booking.has_applied(command.command_id):
                self._check(command)
                if self._state.status is Status.CANCELLED:
                    self._payment_came = False  # a signal so far is about a payment that is settled
                outcome = await booking.commit(decide(self._state, command, self._now()), command)
                _require_provider(outcome)
            booking.require_still_its_answer(command.command_id)
        except HoldfastError as error:
            self._inbox.answer(error)
        except ActivityError:
            # The sender hears what the database refuses for good; the booking does not fail because of it.
            self._inbox.answer(InvalidRequestError("The database refuses what this command would store."))
        else:
            self._inbox.answer(self._state)

    def _check(self, command: BookingCommand) -> None:
        """Refuse what the booking cannot take. This check decides; those before it only answer sooner."""
        check(self._state, command)
        role, starts_at = command.actor.role, self._state.starts_at
        # Histories from before this rule go on with moves that it refuses.
        if is_too_late(command.kind, role, starts_at, self._now()) and workflow.patched(_MOVES_END_AT_START):
            raise AppointmentBegunError

    # --- steps that the booking takes by itself ----------------------------------------------------------

    async def _attempt_assignment(self) -> None:
        """Offer the booking to the provider whose time it holds, or to the best one who is free."""
        hold = Hold.KEEP if self._state.holds_time else Hold.CHOOSE
        after = self._state.entering(Status.ASSIGNED, self._now())
        outcome = await self._booking.commit(Decision(kind=StepKind.TRANSITION, after=after, hold=hold))
        if outcome is not Outcome.RECORDED:
            failed, reason = self._state.assignment_failed(self._now()), Reason.NO_PROVIDER_FREE
            await self._booking.commit(Decision(kind=StepKind.ATTEMPT_FAILED, after=failed, reason=reason))

    async def _move_to(self, status: Status, reason: str) -> None:
        hold = Hold.RELEASE if status in RELEASES_TIME else Hold.KEEP
        after = self._state.entering(status, self._now())
        await self._booking.commit(Decision(kind=StepKind.TRANSITION, after=after, hold=hold, reason=reason))

    async def _expire(self, due: DeadlineKind | None) -> None:
        """Cancel the booking if its time, or that of its payment, is over."""
        if due is DeadlineKind.PAYMENT_EXPIRES:
            await self._move_to(Status.CANCELLED, Reason.PAYMENT_EXPIRED)
        elif due is DeadlineKind.BOOKING_EXPIRES:
            await self._move_to(Status.CANCELLED, Reason.EXPIRED)

    def _is_paid(self) -> bool:
        """Whether the payment that the booking waits for has come, in time or not."""
        return self._payment_came and self._state.payment is PaymentGate.AWAITING

    async def _ask_for_payment(self) -> None:
        after = self._state.payment_asked(self._now())
        await self._booking.commit(Decision(kind=StepKind.PAYMENT_ASKED, after=after))

    async def _note_payment(self) -> None:
        after = self._state.paid(self._now())
        await self._booking.commit(Decision(kind=StepKind.PAID, after=after))

    async def _flag(self, reason: str) -> None:
        after = self._state.flagged(self._now())
        await self._booking.commit(Decision(kind=StepKind.FLAGGED, after=after, reason=reason))

    async def _take_note(self) -> None:
        """Record what signals reported: a payment first, then that somebody should look at the booking."""
        if self._is_paid():
            return await self._note_payment()
        # However many reasons there are, the booking is flagged once.
        if not self._state.needs_attention:
            await self._flag(self._flag_reasons[0])
        return self._flag_reasons.clear()

    # --- beginning and ending a run ----------------------------------------------------------------------

    @property
    def _state(self) -> BookingState:
        return self._booking.state

    async def _begin(self, flag_reason: str | None) -> None:
        if self._booking.current is None:
            await self._booking.refresh()
        else:
            workflow.set_current_details(visibility.details(self._state))
        if flag_reason and not (is_terminal(self._state.status) or self._state.needs_attention):
            with contextlib.suppress(SupersededError):
                await self._flag(flag_reason)

    def _is_over(self) -> bool:
        return is_terminal(self._state.status) and self._is_done()

    def _is_done(self) -> bool:
        return not self._inbox and not self._booking.may_be_behind and workflow.all_handlers_finished()

    def _has_work_or_is_done(self) -> bool:
        return bool(self._inbox) or self._booking.may_be_behind or self._is_done()

    def _has_grown_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and self._is_done()

    def _continue_in_new_run(self) -> NoReturn:
        workflow.continue_as_new(BookingStart(**self._ref.model_dump(), state=self._state))


def _require_provider(outcome: Outcome) -> None:
    """Refuse a command whose step needs a provider who cannot take the booking; nothing was written."""
    if outcome is Outcome.UNFIT:
        raise ProviderUnfitError
    if outcome is Outcome.UNAVAILABLE:
        raise SlotUnavailableError
