"""Commands: each is an update that answers with the new state or with a refusal."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from domain.booking import BookingState
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
)
from domain.lifecycle import TARGETS, Command, Party, Status, allowed_from, command_fits, is_terminal
from runtime.ids import new_id
from tests.support.factories import Tenant, future
from tests.support.workflows.live import ADMIN, CUSTOMER, OWNER, Live, acting_as, refusal_in
from tests.support.workflows.placed import Placed, placed_in


def one_of_each(tenant: Tenant) -> list[BookingCommand]:
    """Every command that the table has a say in, given by the owner."""
    return [
        Accept(actor=OWNER),
        Reject(actor=OWNER),
        Start(actor=OWNER),
        Complete(actor=OWNER),
        NoShow(actor=OWNER, party=Party.PROVIDER),
        Cancel(actor=OWNER),
        Reschedule(actor=OWNER, starts_at=future(96)),
        Assign(actor=OWNER, provider_id=tenant.providers["ana"]),
    ]


async def test_a_provider_takes_a_booking_from_the_offer_to_its_end(live: Live, tenant: Tenant) -> None:
    booking, ana = await live(tenant, provider="ana"), acting_as(tenant, "ana")
    await booking.until_status(Status.ASSIGNED)
    for command in (Accept(actor=ana), Start(actor=ana), Complete(actor=ana)):
        state = await booking.give(command)
        assert await booking.stored() == state
    assert [status for status, _ in await booking.steps()] == [
        "pending",
        "assigned",
        "accepted",
        "in_progress",
        "completed",
    ]
    assert {row["actor_role"] for row in (await booking.history())[2:]} == {"provider"}
    assert await booking.until_closed() == state


@pytest.mark.parametrize("status", [s for s in Status if not is_terminal(s)], ids=str)
async def test_what_the_table_allows_leads_where_it_says(status: Status, live: Live, engine: AsyncEngine) -> None:
    async def outcome(kind: Command) -> BookingState:
        placed = await placed_in(status, live, engine)
        command = next(c for c in one_of_each(placed.tenant) if c.kind is kind)
        return await placed.booking.give(command)

    fitting = [kind for kind in Command if kind is not Command.OVERRIDE and command_fits(kind, status)]
    states = await asyncio.gather(*(outcome(kind) for kind in fitting))
    assert [state.status for state in states] == [TARGETS.get(kind, status) for kind in fitting]


@pytest.mark.parametrize("status", Status, ids=str)
async def test_what_the_table_does_not_allow_is_refused_with_what_it_does(
    status: Status, live: Live, engine: AsyncEngine
) -> None:
    placed = await placed_in(status, live, engine)
    before = await placed.booking.stored()
    unfit = [command for command in one_of_each(placed.tenant) if not command_fits(command.kind, status)]
    assert unfit
    for command in unfit:
        refusal = await _refusal(placed, command, ended=is_terminal(status))
        assert refusal.type == "invalid_transition"
        allowed = [str(following) for following in allowed_from(status)]
        assert list(refusal.details) == [{"current_status": str(status), "allowed": allowed}]
    assert await placed.booking.stored() == before


async def _refusal(placed: Placed, command: BookingCommand, *, ended: bool) -> ApplicationError:
    """What has ended is reopened, reads the booking and refuses in its main loop; else the validator does."""
    send = placed.booking.give_with_start if ended else placed.booking.give
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await send(command)
    return refusal_in(refused.value)


async def test_what_a_sleeping_booking_refuses_leaves_no_trace_in_its_workflow(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.until_messages("offered", 1)
    await booking.refusal_of(Complete(actor=ADMIN))
    events = (await booking.handle.fetch_history()).events
    assert not [e for e in events if e.HasField("workflow_execution_update_accepted_event_attributes")]


async def test_people_do_only_what_is_theirs_to_do(live: Live, tenant: Tenant) -> None:
    booking, ana = await live(tenant, provider="ana"), acting_as(tenant, "ana")
    before = await booking.until_status(Status.ASSIGNED)
    forbidden: list[BookingCommand] = [
        Accept(actor=acting_as(tenant, "ben")),
        Reject(actor=acting_as(tenant, "ben")),
        Accept(actor=CUSTOMER),
        Cancel(actor=ana),
        Reschedule(actor=ana, starts_at=future(96)),
        Assign(actor=ana, provider_id=tenant.providers["ben"]),
        Override(actor=OWNER, status=Status.COMPLETED),
    ]
    for command in forbidden:
        assert (await booking.refusal_of(command)).type == "forbidden"
    assert await booking.stored() == before


async def test_a_desk_assigns_only_own_providers_whose_time_is_free(live: Live, tenant: Tenant) -> None:
    at = future(72)
    other = await live(tenant, provider="ben", starts_at=at)
    booking = await live(tenant, provider="ana", starts_at=at)
    await other.until_status(Status.ASSIGNED)
    await booking.until_status(Status.ASSIGNED)
    before = await booking.give(Reject(actor=OWNER))
    taken = await booking.refusal_of(Assign(actor=OWNER, provider_id=tenant.providers["ben"]))
    assert taken.type == "slot_unavailable"
    unknown = await booking.refusal_of(Assign(actor=OWNER, provider_id=new_id()))
    assert unknown.type == "provider_unfit"
    assert await booking.stored() == before
