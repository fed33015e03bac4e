"""A booking with its running workflow: send commands, read states, rows and histories."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import TimeSkipper

from db.repositories import bookings
from domain import names, timeline
from domain.booking import Actor, BookingState
from domain.commands import BookingCommand, update_name
from domain.lifecycle import Role, Status
from domain.steps import BookingStart
from runtime.ids import new_id
from tests.support.factories import Tenant, make_booking
from workflows.launch import start_booking, with_start

ADMIN = Actor(role=Role.ADMIN)
OWNER = Actor(role=Role.OWNER)
CUSTOMER = Actor(role=Role.CUSTOMER)
_PATIENCE = 20.0
_HALF_A_SECOND = timedelta(milliseconds=500)

_CALENDAR = "SELECT provider_id, lower(during) AS taken_from FROM reservations WHERE booking_id = :id"
_MESSAGES = "SELECT * FROM messages WHERE booking_id = :id ORDER BY id"
_EVENTS = "SELECT * FROM events WHERE business_id = :business_id AND subject = CAST(:id AS text) ORDER BY id"


def acting_as(tenant: Tenant, provider: str) -> Actor:
    """A provider of the tenant."""
    return Actor(role=Role.PROVIDER, provider_id=tenant.providers[provider])


def _named(command: BookingCommand, update_id: str | None) -> tuple[str, BookingCommand]:
    """The command by its update name and id, as the API sends it."""
    name = update_id or str(new_id())
    return name, command.model_copy(update={"command_id": name})


def refusal_in(error: BaseException) -> ApplicationError:
    """The refusal that a failed update carries: `type` is its code."""
    assert isinstance(error, WorkflowUpdateFailedError)
    assert isinstance(error.cause, ApplicationError)
    return error.cause


@dataclass
class LiveBooking:
    """A booking and its running workflow."""

    engine: AsyncEngine
    client: Client
    skipper: TimeSkipper
    business_id: UUID
    booking_id: UUID

    @classmethod
    async def begin(cls, engine: AsyncEngine, skipper: TimeSkipper, tenant: Tenant, **particulars: Any) -> Self:
        """Create a booking as the API commits it, and start its workflow with a movable clock."""
        state = await make_booking(engine, tenant, **particulars)
        start = BookingStart(booking_id=state.booking_id, business_id=state.business_id, state=state)
        await start_booking(skipper.client, start)
        return cls(engine, skipper.client, skipper, state.business_id, state.booking_id)

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(names.booking_workflow_id(self.booking_id))

    # --- commands ----------------------------------------------------------------------------------------

    async def give(self, command: BookingCommand, *, update_id: str | None = None) -> BookingState:
        """Send a command to the running workflow and return the state after it."""
        update_id, command = _named(command, update_id)
        try:
            state: BookingState = await self.handle.execute_update(
                update_name(command.kind), command, id=update_id, result_type=BookingState
            )
        except WorkflowUpdateFailedError as error:
            error.add_note(f"steps so far: {await self.steps()}")
            raise
        return state

    async def give_with_start(self, command: BookingCommand, *, update_id: str | None = None) -> BookingState:
        """Send a command as the API does; it reopens a closed workflow."""
        start = BookingStart(booking_id=self.booking_id, business_id=self.business_id)
        update_id, command = _named(command, update_id)
        state: BookingState = await self.client.execute_update_with_start_workflow(
            update_name(command.kind),
            command,
            start_workflow_operation=with_start(start),
            id=update_id,
            result_type=BookingState,
        )
        return state

    async def refusal_of(self, command: BookingCommand) -> ApplicationError:
        """Send a command, which must be refused, and return the refusal."""
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await self.give(command)
        return refusal_in(refused.value)

    async def reset(self) -> None:
        """Reset the workflow to its first task, like the button in the Temporal UI."""
        run_id = (await self.handle.describe()).run_id
        events = (await self.handle.fetch_history()).events
        first = next(e.event_id for e in events if e.HasField("workflow_task_completed_event_attributes"))
        await self.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=self.handle.id, run_id=run_id),
                reason="to try it again",
                workflow_task_finish_event_id=first,
                request_id=str(new_id()),
            )
        )

    # --- time --------------------------------------------------------------------------------------------

    async def skip(self, duration: timedelta) -> None:
        """Move this workflow's clock forward."""
        await self.skipper.fast_forward(self.handle, duration)

    async def skip_to(self, moment: datetime) -> None:
        """Move this workflow's clock to an instant."""
        await self.skip(moment - await self.now())

    async def now(self) -> datetime:
        """The workflow's own time."""
        return await self.skipper.get_current_time(self.handle)

    async def timers(self, summary: str) -> list[float]:
        """The lengths in seconds of the timers of this name, in the order they were set."""
        return [length.total_seconds() for _, length in await self._timers(summary)]

    async def timers_until(self, summary: str) -> list[datetime]:
        """The distinct instants, to the second, at which timers of this name end, in order."""
        ends = [at + length + _HALF_A_SECOND for at, length in await self._timers(summary)]
        return sorted({end.replace(microsecond=0) for end in ends})

    async def _timers(self, summary: str) -> list[tuple[datetime, timedelta]]:
        events = (await self.handle.fetch_history()).events
        return [
            (
                event.event_time.ToDatetime(UTC),
                event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta(),
            )
            for event in events
            if event.HasField("timer_started_event_attributes")
            and summary in event.user_metadata.summary.data.decode()
        ]

    # --- what is known of it -----------------------------------------------------------------------------

    async def queried(self) -> BookingState:
        """The state as the workflow knows it."""
        state: BookingState = await self.handle.query("state", result_type=BookingState)
        return state

    async def stored(self) -> BookingState:
        """The state in the database; `holds_time` is read from the reservations."""
        async with self.engine.connect() as conn:
            state = await bookings.find_state(conn, self.business_id, self.booking_id)
        assert state is not None
        return state

    async def history(self) -> list[Any]:
        """The history rows, from the first."""
        async with self.engine.connect() as conn:
            return list(await bookings.list_history(conn, self.business_id, self.booking_id))

    async def steps(self) -> list[tuple[str, str | None]]:
        """Status and reason of each step, from the first."""
        return [(row["new_status"], row["reason"]) for row in await self.history()]

    async def events(self) -> list[Any]:
        """The outgoing events, the oldest first."""
        return await self._rows(_EVENTS)

    async def messages(self) -> list[Any]:
        """The messages so far, the oldest first."""
        return await self._rows(_MESSAGES)

    async def reservation(self) -> tuple[UUID, datetime] | None:
        """Provider and start of the reservation."""
        found = await self._rows(_CALENDAR)
        return (found[0]["provider_id"], found[0]["taken_from"]) if found else None

    async def _rows(self, query: str) -> list[Any]:
        parameters = {"business_id": self.business_id, "id": self.booking_id}
        async with self.engine.connect() as conn:
            bound = text(query).bindparams(**{k: v for k, v in parameters.items() if f":{k}" in query})
            return list((await conn.execute(bound)).mappings())

    # --- waiting -----------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[BookingState], bool]) -> BookingState:
        """Wait until the stored state fulfils the condition."""
        async with asyncio.timeout(_PATIENCE):
            while not condition(state := await self.stored()):
                await asyncio.sleep(0.01)
        return state

    async def until_status(self, status: Status) -> BookingState:
        """Wait until the booking has this status."""
        return await self.until(lambda state: state.status is status)

    async def until_quiet(self) -> BookingState:
        """Wait until the booking is at rest; before that the projection may be a step ahead."""
        now = await self.now()
        async with asyncio.timeout(_PATIENCE):
            while not (_is_at_rest(state := await self.stored(), now) and await self.queried() == state):
                await asyncio.sleep(0.01)
        return state

    async def until_messages(self, kind: str, count: int) -> list[Any]:
        """Wait until this many messages of a kind are settled."""

        async def settled() -> list[Any]:
            return [m for m in await self.messages() if m["kind"] == kind]

        async with asyncio.timeout(_PATIENCE):
            while len(found := await settled()) < count:
                await asyncio.sleep(0.01)
        return found

    async def until_closed(self) -> BookingState:
        """Wait until the workflow has ended, and return the state it ended with."""
        async with asyncio.timeout(_PATIENCE):
            state: BookingState = await self.client.get_workflow_handle(
                self.handle.id, result_type=BookingState
            ).result()
        return state


def _is_at_rest(state: BookingState, now: datetime) -> bool:
    """Whether the booking waits only for a person or for a future time."""
    if timeline.phase(state) is timeline.Phase.CLOSING or (state.status is Status.ASSIGNED and state.auto_accept):
        return False
    deadline = timeline.deadline(state)
    return deadline is None or deadline.at > now


Live = Callable[..., Awaitable[LiveBooking]]
"""Makes bookings with their workflows: the fixture `live`."""
