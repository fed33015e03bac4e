"""A booking's job in the business's own job system: created, kept in step with the booking, and cancelled with it.

Each effect reads the booking when it runs and makes the job match it. So a late effect does no harm, and the next
one makes up for one that was missed.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.effects import Done, EffectRunner
from activities.ports import Address, JobCustomer, JobDetails, JobManagement
from activities.vendor_calls import Call
from db.engine import autocommit
from db.repositories import jobs
from db.repositories.effect_attempts import Claimed
from db.repositories.rows import Row
from domain.effects import EffectKind, EffectRef, ObsoleteError
from domain.jobs import Job, JobState
from domain.lifecycle import Status


class JobActivities:
    """The effects of one vendor's jobs."""

    def __init__(self, engine: AsyncEngine, runner: EffectRunner, management: JobManagement) -> None:
        self._engine = engine
        self._runner = runner
        self._management = management

    @activity.defn(name=EffectKind.CREATE_JOB)
    async def create_job(self, ref: EffectRef) -> str:
        """Create the job of an accepted booking."""
        return await self._runner.run(ref, self._create)

    @activity.defn(name=EffectKind.UPDATE_JOB)
    async def update_job(self, ref: EffectRef) -> str:
        """Make the job match its booking."""
        return await self._runner.run(ref, self._update)

    @activity.defn(name=EffectKind.CANCEL_JOB)
    async def cancel_job(self, ref: EffectRef) -> str:
        """Cancel the job of a cancelled booking."""
        return await self._runner.run(ref, self._cancel)

    async def _create(self, claimed: Claimed, call: Call) -> Done:
        booking = await self._open_booking(claimed)
        may_exist = call.may_have_happened or booking["may_be_there"]
        job = await self._management.find(call.account, booking["booking_id"]) if may_exist else None
        if job is not None and job.state is JobState.CANCELLED:
            # The booking was accepted again since.
            await self._management.revive(call, job)
        return await self._match(call, job, booking)

    async def _update(self, claimed: Claimed, call: Call) -> Done:
        booking = await self._open_booking(claimed)
        job = await self._management.find(call.account, booking["booking_id"])
        if job is not None and job.state is not JobState.OPEN:
            # Somebody ended it in the job system. We do not undo that; reconciliation reports it.
            raise ObsoleteError(f"job_is_{job.state}")
        return await self._match(call, job, booking)

    async def _cancel(self, claimed: Claimed, call: Call) -> Done:
        booking = await self._booking(claimed)
        if booking["status"] != Status.CANCELLED:
            raise ObsoleteError("booking_goes_on")
        existing = await self._management.find_all(call.account, [booking["booking_id"]])
        for job in existing:
            if job.state is JobState.OPEN:
                await self._management.cancel(call, job)
        return Done(vendor_ref=existing[0].ref if existing else None)

    async def _match(self, call: Call, job: Job | None, booking: Row) -> Done:
        details = _job_details(booking)
        if job is None:
            return Done(vendor_ref=await self._management.create(call, details))
        if job.state is not JobState.DONE:
            await self._management.change(call, job, details)
        return Done(vendor_ref=job.ref)

    async def _open_booking(self, claimed: Claimed) -> Row:
        booking = await self._booking(claimed)
        if booking["status"] == Status.CANCELLED:
            raise ObsoleteError("booking_cancelled")
        return booking

    async def _booking(self, claimed: Claimed) -> Row:
        if claimed.booking_id is None:
            raise ObsoleteError("no_booking")
        async with autocommit(self._engine) as conn:
            found = await jobs.find(conn, claimed.business_id, claimed.booking_id, effect_id=claimed.id)
        if found is None:
            raise ObsoleteError("no_booking")
        return found


def _contact_line(contact: Mapping[str, Any] | None) -> str:
    """The contact that was given for this booking, where it differs from the customer's record."""
    found = contact or {}
    return ", ".join(found[name] for name in ("name", "phone", "email") if name in found)


def _job_details(booking: Row) -> JobDetails:
    summary = [f"{booking['service']} ({booking['reference']})"]
    if booking["provider"]:
        summary.append(f"Provider: {booking['provider']}")
    if contact := _contact_line(booking["contact"]):
        summary.append(f"Contact: {contact}")
    if booking["notes"]:
        summary.append(booking["notes"])
    return JobDetails(
        booking_id=booking["booking_id"],
        customer=JobCustomer(
            id=UUID(str(booking["customer_id"])),
            name=booking["customer"],
            email=booking["email"],
            phone=booking["phone"],
        ),
        address=_address(booking["address"]),
        service_code=booking["service_code"],
        starts_at=booking["starts_at"],
        ends_at=booking["ends_at"],
        summary="\n".join(summary),
    )


def _address(address: Mapping[str, Any] | None) -> Address | None:
    """The booking's address, which is stored in the shape of the API's `AddressIn`."""
    if address is None:
        return None
    return Address(
        street=address["line1"],
        city=address["city"],
        region=address.get("region") or "",
        postal_code=address.get("postal_code") or "",
        country=address["country"],
    )
