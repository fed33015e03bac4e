"""The booking's own steps, run as local activities: each is one short transaction and safe to run again."""

from collections.abc import Sequence
from uuid import NAMESPACE_URL, UUID, uuid5

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.failures import as_application_errors
from db.repositories import bookings, effect_planning, messages
from db.scheduling import step_records
from domain.booking import BookingState
from domain.effect_rules import effects_of_step
from domain.effects import CONSOLE
from domain.errors import NotFoundError
from domain.names import CATCH_UP, LOAD_BOOKING, RECORD_STEP, SEND_REMINDER
from domain.notifications import Notice, ReminderDue, notices_of_step, still_due
from domain.steps import BookingRef, CatchUpRequest, Step, StepResult
from runtime.metrics import MESSAGES, TAKEN_OVER

_log = structlog.get_logger()


class BookingActivities:
    def __init__(self, engine: AsyncEngine, *, mails_by: str = CONSOLE) -> None:
        """`mails_by` sends e-mails for businesses that have nobody of their own: `smtp`, or `console`."""
        self._engine = engine
        self._mails_by = mails_by

    @activity.defn(name=LOAD_BOOKING)
    @as_application_errors
    async def load_booking(self, ref: BookingRef) -> BookingState:
        """The booking's state as the database holds it.

        Raises:
            ApplicationError: of type `not_found`, not retried: there is no such booking.
        """
        async with self._engine.connect() as conn:
            state = await bookings.find_state(conn, ref.business_id, ref.booking_id)
        if state is None:
            raise NotFoundError(f"There is no booking {ref.booking_id}.")
        return state

    @activity.defn(name=CATCH_UP)
    @as_application_errors
    async def catch_up(self, known: CatchUpRequest) -> StepResult:
        """What the database holds beyond the version that the workflow knows.

        Raises:
            ApplicationError: of type `not_found`, not retried: there is no such booking.
        """
        async with self._engine.connect() as conn:
            found = await step_records.find_ahead(conn, known.business_id, known)
        if found.state is not None and found.state.version > known.version:
            TAKEN_OVER.inc()
            log_fields = {"known_version": known.version, "stored_version": found.state.version}
            _log.warning("booking_taken_over", booking_id=str(known.booking_id), **log_fields)
        return found

    @activity.defn(name=RECORD_STEP)
    @as_application_errors
    async def record_step(self, step: Step) -> StepResult:
        """Write one step, once: projection, history, event, reservation and effects in one transaction."""
        async with self._engine.connect() as conn:
            return await step_records.record_step(conn, step.after.business_id, step, self._announce)

    async def _announce(self, conn: AsyncConnection, step: Step, after: BookingState) -> None:
        notices = notices_of_step(step, after)
        await self._add_messages(conn, after.business_id, after.booking_id, notices, step.correlation_id)
        await effect_planning.plan(conn, after.business_id, after.booking_id, effects_of_step(step, after))

    async def _add_messages(
        self,
        conn: AsyncConnection,
        business_id: UUID,
        booking_id: UUID,
        notices: Sequence[Notice],
        correlation_id: str | None = None,
    ) -> None:
        """Write messages. Those for the console end in the log, by their keys, which hold ids only."""
        if not notices:
            return
        written = await messages.add(
            conn,
            business_id,
            booking_id,
            notices,
            installation=self._mails_by,
            correlation_id=correlation_id,
        )
        console_keys = [message.key for message in written if message.channel == CONSOLE]
        if console_keys:
            MESSAGES.labels(CONSOLE, "sent").inc(len(console_keys))
            _log.info("messages_sent", channel=CONSOLE, keys=console_keys)

    @activity.defn(name=SEND_REMINDER)
    @as_application_errors
    async def send_reminder(self, reminder: ReminderDue) -> None:
        """Remind once, unless the stored booking says that nobody needs the reminder any more.

        Check and message are one transaction, so a cancellation comes before it, and is seen, or after it.
        """
        async with self._engine.begin() as conn:
            appointment = await messages.find_appointment(conn, reminder.business_id, reminder.booking_id)
            if appointment is None:
                raise NotFoundError(f"There is no booking {reminder.booking_id}.")
            now = (appointment.status, appointment.starts_at, reminder.at)
            due = [notice for notice in reminder.notices if still_due(notice, *now)]
            if due:
                ref = BookingRef(booking_id=reminder.booking_id, business_id=reminder.business_id)
                await self._add_messages(conn, ref.business_id, ref.booking_id, due)
                await messages.add_reminder_event(
                    conn, ref.business_id, ref.booking_id, event_id=uuid5(NAMESPACE_URL, reminder.key)
                )
