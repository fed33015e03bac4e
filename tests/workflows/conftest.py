"""A booking on a workflow of its own, whose clock the test moves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import TimeSkipper

from db.repositories import bookings
from domain import names
from domain.booking import Actor, BookingState
from domain.commands import BookingCommand
from domain.lifecycle import Role, Status
from domain.steps import BookingStart
from tests.factories import Tenant, make_booking
from workflows.booking import BookingWorkflow
from workflows.launch import start_booking

ADMIN = Actor(role=Role.ADMIN)
CUSTOMER = Actor(role=Role.CUSTOMER)
_PATIENCE = 20.0


@dataclass
class LiveBooking:
    """A booking and its running workflow."""

    engine: AsyncEngine
    client: Client
    skipper: TimeSkipper
    business_id: UUID
    booking_id: UUID

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(names.booking_workflow_id(self.booking_id))

    async def command(self, update: Any, command: BookingCommand) -> BookingState:
        """Send an update and return the state after it."""
        state: BookingState = await self.handle.execute_update(update, command)
        return state

    async def skip(self, duration: timedelta) -> None:
        """Move this workflow's clock on."""
        await self.skipper.fast_forward(self.handle, duration)

    async def now(self) -> datetime:
        """The workflow's own time."""
        return await self.skipper.get_current_time(self.handle)

    async def timers(self, summary: str) -> list[float]:
        """The lengths in seconds of the timers of this name, in the order they were set."""
        events = (await self.handle.fetch_history()).events
        return [
            event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
            for event in events
            if event.HasField("timer_started_event_attributes")
            and summary in event.user_metadata.summary.data.decode()
        ]

    async def stored(self) -> BookingState:
        """The state in the database."""
        async with self.engine.connect() as conn:
            state = await bookings.find_state(conn, self.business_id, self.booking_id)
        assert state is not None
        return state

    async def history(self) -> list[Any]:
        """The history rows, from the first."""
        async with self.engine.connect() as conn:
            return await bookings.list_history(conn, self.business_id, self.booking_id)

    async def messages(self) -> list[Any]:
        """The messages so far, oldest first."""
        query = text("SELECT * FROM messages WHERE booking_id = :id ORDER BY id")
        async with self.engine.connect() as conn:
            return list((await conn.execute(query, {"id": self.booking_id})).mappings())

    async def until(self, condition: Callable[[BookingState], bool]) -> BookingState:
        """Wait until the stored state fulfils the condition."""
        async with asyncio.timeout(_PATIENCE):
            while not condition(state := await self.stored()):
                await asyncio.sleep(0.01)
        return state

    async def until_status(self, status: Status) -> BookingState:
        """Wait until the booking has this status."""
        return await self.until(lambda state: state.status is status)

    async def until_messages(self, kind: str, count: int) -> list[Any]:
        """Wait until so many messages of a kind are settled."""

        async def settled() -> list[Any]:
            return [m for m in await self.messages() if m["kind"] == kind and m["state"] != "sending"]

        async with asyncio.timeout(_PATIENCE):
            while len(found := await settled()) < count:
                await asyncio.sleep(0.01)
        return found


Live = Callable[..., Awaitable[LiveBooking]]


@pytest.fixture
async def live(engine: AsyncEngine, client: Client, skipper: TimeSkipper, worker: None) -> AsyncIterator[Live]:
    """Makes bookings with their workflows; those that are still open are ended after the test."""
    made: list[LiveBooking] = []

    async def make(tenant: Tenant, **particulars: Any) -> LiveBooking:
        state = await make_booking(engine, tenant, **particulars)
        booking = LiveBooking(engine, client, skipper, state.business_id, state.booking_id)
        made.append(booking)
        start = BookingStart(booking_id=state.booking_id, business_id=state.business_id, state=state)
        await start_booking(skipper.client, start)
        return booking

    yield make
    for booking in made:
        description = await booking.handle.describe()
        if description.close_time is None:
            await booking.handle.cancel()


__all__ = ["ADMIN", "CUSTOMER", "BookingWorkflow", "Live", "LiveBooking"]
