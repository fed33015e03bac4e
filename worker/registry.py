"""The composition root: which adapter stands behind which port, and which activities run on which queue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from activities.adapters.console import ConsoleMessages
from activities.booking import BookingActivities
from activities.messages import MessageActivities
from domain import names

Activity = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Queue:
    """A task queue with what runs on it."""

    name: str
    activities: tuple[Activity, ...]


def booking_queue(engine: AsyncEngine) -> Queue:
    """The lifecycle: its activities are local ones, run by the worker that runs the workflow."""
    booking = BookingActivities(engine)
    return Queue(names.BOOKINGS_TASK_QUEUE, (booking.load_booking, booking.record_step))


def effect_queues(engine: AsyncEngine) -> list[Queue]:
    """The effects: each kind on a queue of its own, so that a hanging one holds up no other."""
    messages = MessageActivities(engine, ConsoleMessages())
    return [Queue(names.MESSAGES_TASK_QUEUE, (messages.send_notices,))]
