"""Temporal stores and shows only ids of a booking, no personal data (invariant 11)."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.api.sdk.v1 import WorkflowMetadata

from db.repositories import remarks
from domain.commands import Cancel, Override, Reject
from domain.lifecycle import Status
from tests.support.factories import Tenant
from tests.support.workflows.live import ADMIN, CUSTOMER, Live, LiveBooking

CANARIES = {
    "name": "Canary Nightingale",
    "email": "canary@nightingale.example",
    "phone": "+12025550143",
    "notes": "the key is under the third flowerpot",
    "line1": "7 Nightingale Lane",
    "remark": "she is in hospital until Friday",
}


async def test_temporal_never_sees_a_person(live: Live, engine: AsyncEngine, tenant: Tenant) -> None:
    booking = await live(tenant)
    await _write_canaries(booking, tenant)
    async with engine.begin() as conn:
        remark = await remarks.add(conn, booking.business_id, booking.booking_id, CANARIES["remark"])
    await booking.until_status(Status.ASSIGNED)
    seen = b""
    await booking.give(Reject(actor=ADMIN, remark_id=remark))
    await booking.give(Cancel(actor=CUSTOMER, remark_id=remark))
    await booking.until_closed()
    seen += await _everything_in_temporal(booking)
    await booking.give_with_start(Override(actor=ADMIN, status=Status.ACCEPTED, remark_id=remark))
    await booking.skip_to((await booking.stored()).starts_at)
    await booking.until_messages("reminder", 2)
    seen += await _everything_in_temporal(booking)

    assert (await booking.history())[-1]["reason"] == CANARIES["remark"]
    assert str(booking.booking_id).encode() in seen
    assert str(remark).encode() in seen
    assert [canary for canary in CANARIES.values() if canary.encode() in seen] == []


async def _write_canaries(booking: LiveBooking, tenant: Tenant) -> None:
    async with booking.engine.begin() as conn:
        await conn.execute(
            text("UPDATE customers SET name = :name, email = :email, phone = :phone WHERE id = :id"),
            {key: CANARIES[key] for key in ("name", "email", "phone")} | {"id": tenant.customer_id},
        )
        await conn.execute(
            text(
                "UPDATE bookings SET notes = :notes, address = jsonb_build_object('line1', CAST(:line1 AS text)) "
                "WHERE id = :id"
            ),
            {key: CANARIES[key] for key in ("notes", "line1")} | {"id": booking.booking_id},
        )


async def _everything_in_temporal(booking: LiveBooking) -> bytes:
    """History, description (memo, search attributes) and details of the last run, as the server keeps them."""
    history = await booking.handle.fetch_history()
    description = await booking.handle.describe()
    metadata: WorkflowMetadata = await booking.handle.query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata
    )
    parts = [event.SerializeToString() for event in history.events]
    return b"".join([*parts, description.raw_description.SerializeToString(), str(metadata).encode()])
