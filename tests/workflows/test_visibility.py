"""A booking's search attributes and details in Temporal."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.sdk.v1 import WorkflowMetadata

from domain.commands import Accept, Assign, Cancel, Override, Reject, Reschedule
from domain.lifecycle import Status
from domain.policies import Intake, Policy
from tests.support.factories import Tenant, future, make_tenant
from tests.support.workflows.live import ADMIN, CUSTOMER, Live, LiveBooking


async def _attributes(booking: LiveBooking) -> dict[str, Any]:
    description = await booking.handle.describe()
    pairs = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    return {name: value for name, value in pairs.items() if name != "BuildIds"}


async def _expected(booking: LiveBooking) -> dict[str, Any]:
    state = await booking.until_quiet()
    provider = {"ProviderId": str(state.provider_id)} if state.provider_id else {}
    return provider | {
        "TenantId": str(state.business_id),
        "BookingReference": state.reference,
        "BookingStatus": str(state.status),
        "StartsAt": state.starts_at,
        "NeedsAttention": state.needs_attention,
    }


async def _details(booking: LiveBooking) -> str:
    metadata: WorkflowMetadata = await booking.handle.query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    return metadata.current_details


async def test_search_attributes_follow_the_booking(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    for command in (
        None,
        Reject(actor=ADMIN),
        Assign(actor=ADMIN, provider_id=tenant.providers["ben"]),
        Reschedule(actor=ADMIN, starts_at=future(96)),
        Accept(actor=ADMIN),
        Override(actor=ADMIN, status=Status.NO_SHOW),
        Cancel(actor=ADMIN),
    ):
        if command is not None:
            await booking.give(command)
        assert await _expected(booking) == await _attributes(booking)


async def test_a_provider_who_is_given_up_is_no_longer_searched_by(live: Live, engine: AsyncEngine) -> None:
    tenant = await make_tenant(engine, policy=Policy(intake=Intake.DISPATCH), providers={"ana": 4.9})
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Reject(actor=ADMIN))
    await booking.give(Override(actor=ADMIN, status=Status.PENDING))
    assert "ProviderId" not in await _attributes(booking)
    assert await _expected(booking) == await _attributes(booking)


async def test_a_reopened_booking_is_found_by_everything_again(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Cancel(actor=CUSTOMER))
    await booking.until_closed()
    await booking.give_with_start(Override(actor=ADMIN, status=Status.ACCEPTED))
    assert await _expected(booking) == await _attributes(booking)


async def test_a_booking_back_from_a_terminate_is_found_by_everything_again(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.handle.terminate("by mistake")
    await booking.until(lambda state: state.needs_attention)
    assert await _expected(booking) == await _attributes(booking)


async def test_an_admin_finds_bookings_by_tenant_and_status(live: Live, tenant: Tenant) -> None:
    accepted, _ = await live(tenant, provider="ana"), await live(tenant, provider="ben")
    await accepted.until_status(Status.ASSIGNED)
    await accepted.give(Accept(actor=ADMIN))
    query = f"TenantId = '{tenant.business_id}' AND BookingStatus = 'accepted'"
    async with asyncio.timeout(10):  # the list is written a moment after the workflow's own record
        while not (found := [run.id async for run in accepted.client.list_workflows(query)]):
            await asyncio.sleep(0.05)
    assert found == [accepted.handle.id]


async def test_an_admin_finds_a_booking_by_the_reference_that_people_read_out(live: Live, tenant: Tenant) -> None:
    booking, _ = await live(tenant, provider="ana"), await live(tenant, provider="ben")
    reference = (await booking.until_status(Status.ASSIGNED)).reference
    assert reference
    query = f"BookingReference = '{reference}'"
    async with asyncio.timeout(10):
        while not (found := [run.id async for run in booking.client.list_workflows(query)]):
            await asyncio.sleep(0.05)
    assert found == [booking.handle.id]
    assert f"reference: {reference}" in await _details(booking)


async def test_the_current_details_say_where_it_stands_and_what_comes_next(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant, provider="ana")
    state = await booking.until_status(Status.ASSIGNED)
    details = await _details(booking)
    assert details.startswith("**assigned** since ")
    assert f"provider: {tenant.providers['ana']}" in details
    assert f"appointment: {state.starts_at:%Y-%m-%d %H:%M}" in details
    assert "next: offer_expires at " in details
    assert details.count("reminder") == 2
    await booking.give(Reject(actor=ADMIN))
    details = await _details(booking)
    assert details.startswith("**rejected** since ")
    assert f"refused: {tenant.providers['ana']}" in details
    assert "next: next_attempt at " in details


async def test_steps_and_timers_can_be_read_in_the_history(live: Live, tenant: Tenant) -> None:
    booking = await live(tenant)
    await booking.until_status(Status.ASSIGNED)
    await booking.give(Accept(actor=ADMIN))
    events = (await booking.handle.fetch_history()).events
    summaries = [event.user_metadata.summary.data.decode() for event in events]
    read = [summary.strip('"') for summary in summaries if summary]
    assert read[0] == "2: pending → assigned"
    assert "3: assigned → accepted" in read
    assert "offer_expires" in read
    assert "reminder, 1440 min before" in read
