"""A booking's job in the business's own system: made, kept as the booking is, and cancelled with it.

Each effect reads the booking as it is when its turn has come, and has the job match it. So an effect that is late
does no harm, and one that is missed is made up for by the next.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.effects import Done, EffectRunner
from activities.ports.jobs import Address, JobCustomer, JobManagement, WantedJob
from activities.ports.vendors import Call
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
        """Make the job of a booking that was accepted."""
        return await self._runner.run(ref, self._create)

    @activity.defn(name=EffectKind.UPDATE_JOB)
    async def update_job(self, ref: EffectRef) -> str:
        """Have the job be as its booking is."""
        return await self._runner.run(ref, self._update)

    @activity.defn(name=EffectKind.CANCEL_JOB)
    async def cancel_job(self, ref: EffectRef) -> str:
        """Cancel the job of a booking that was cancelled."""
        return await self._runner.run(ref, self._cancel)

    async def _create(self, claimed: Claimed, call: Call) -> Done:
        booking = await self._goes_on(claimed)
        looks = call.may_have_happened or booking["may_be_there"]
        job = await self._management.find(call.account, booking["booking_id"]) if looks else None
        if job is not None and job.state is JobState.CANCELLED:
            # The booking was accepted anew since.
            await self._management.revive(call, job)
        return await self._match(call, job, booking)

    async def _update(self, claimed: Claimed, call: Call) -> Done:
        booking = await self._goes_on(claimed)
        job = await self._management.find(call.account, booking["booking_id"])
        if job is not None and job.state is not JobState.OPEN:
            # Somebody has ended it there, and theirs is not ours to undo: reconciliation tells of it.
            raise ObsoleteError(f"job_is_{job.state}")
        return await self._match(call, job, booking)

    async def _cancel(self, claimed: Claimed, call: Call) -> Done:
        booking = await self._booking(claimed)
        if booking["status"] != Status.CANCELLED:
            raise ObsoleteError("booking_goes_on")
        jobs_there = await self._management.find_all(call.account, [booking["booking_id"]])
        for job in jobs_there:
            if job.state is JobState.OPEN:
                await self._management.cancel(call, job)
        return Done(vendor_ref=jobs_there[0].ref if jobs_there else None)

    async def _match(self, call: Call, job: Job | None, booking: Row) -> Done:
        wanted = _wanted(booking)
        if job is None:
            return Done(vendor_ref=await self._management.create(call, wanted))
        if job.state is not JobState.DONE:
            await self._management.change(call, job, wanted)
        return Done(vendor_ref=job.ref)

    async def _goes_on(self, claimed: Claimed) -> Row:
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


def _reached_by(contact: Mapping[str, Any] | None) -> str:
    """Whom to ask for about this booking and how, where the customer's record says otherwise and stays so."""
    found = contact or {}
    return ", ".join(found[name] for name in ("name", "phone", "email") if name in found)


def _wanted(booking: Row) -> WantedJob:
    about = [f"{booking['service']} ({booking['reference']})"]
    if booking["provider"]:
        about.append(f"Provider: {booking['provider']}")
    if own := _reached_by(booking["contact"]):
        about.append(f"Contact: {own}")
    if booking["notes"]:
        about.append(booking["notes"])
    return WantedJob(
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
        summary="\n".join(about),
    )


def _address(address: Mapping[str, Any] | None) -> Address | None:
    """The booking's address, as `AddressIn` of the API has it."""
    if address is None:
        return None
    return Address(
        street=address["line1"],
        city=address["city"],
        region=address.get("region") or "",
        postal_code=address.get("postal_code") or "",
        country=address["country"],
    )
