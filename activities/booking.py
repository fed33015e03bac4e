"""The booking's own steps, run as local activities: each is one short transaction and safe to run again."""

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.failures import as_application_errors
from db.repositories import bookings, steps
from domain.errors import NotFoundError
from domain.names import LOAD_BOOKING, RECORD_STEP
from domain.steps import BookingRef, LoadedBooking, Step, StepResult


class BookingActivities:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @activity.defn(name=LOAD_BOOKING)
    @as_application_errors
    async def load_booking(self, ref: BookingRef) -> LoadedBooking:
        """The booking's state as the database holds it.

        Raises:
            ApplicationError: of type `not_found`, not retried: there is no such booking.
        """
        async with self._engine.connect() as conn:
            loaded = await bookings.load(conn, ref.business_id, ref.booking_id)
        if loaded is None:
            raise NotFoundError(f"There is no booking {ref.booking_id}.")
        return loaded

    @activity.defn(name=RECORD_STEP)
    @as_application_errors
    async def record_step(self, step: Step) -> StepResult:
        """Write one step: projection, history, event and reservation in one transaction, once."""
        async with self._engine.connect() as conn:
            return await steps.record(conn, step.after.business_id, step)
