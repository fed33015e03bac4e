"""The composition root: which adapter stands behind which port."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.adapters.console import ConsoleMessages
from activities.booking import BookingActivities

Activity = Callable[..., Any]


def booking_activities(engine: AsyncEngine) -> list[Activity]:
    """The lifecycle's own activities: local ones, run by the worker that runs the workflow."""
    booking = BookingActivities(engine, ConsoleMessages())
    return [booking.load_booking, booking.record_step, booking.send_reminder]
