"""Reports of conversions (accepted bookings) to the vendors that measure a business's advertising."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio import activity

from activities.effects import Done, EffectRunner
from activities.ports import Analytics, Conversion
from activities.vendor_calls import Call
from db.engine import autocommit
from db.repositories import conversions
from db.repositories.effect_attempts import Claimed
from db.repositories.rows import Row
from domain.attribution import read_attribution
from domain.effects import EffectKind, EffectRef, ObsoleteError, Vendor
from domain.money import in_major_units


class ConversionReports:
    """The effect `report_conversion`, for all vendors."""

    def __init__(self, engine: AsyncEngine, runner: EffectRunner, vendors: Mapping[Vendor, Analytics]) -> None:
        self._engine = engine
        self._runner = runner
        self._vendors = vendors

    @activity.defn(name=EffectKind.REPORT_CONVERSION)
    async def report_conversion(self, ref: EffectRef) -> str:
        """One attempt to report a booking; returns the effect's state after it."""
        return await self._runner.run(ref, self._report)

    async def _report(self, claimed: Claimed, call: Call) -> Done:
        conversion = await self._conversion(claimed)
        return Done(vendor_ref=await self._vendors[claimed.vendor].report(call, conversion))

    async def _conversion(self, claimed: Claimed) -> Conversion:
        """Read by every attempt, so that a consent withdrawn meanwhile is respected."""
        assert claimed.booking_id is not None
        async with autocommit(self._engine) as conn:
            found = await conversions.find(conn, claimed.business_id, claimed.booking_id)
        if found is None or not found["may_report"]:
            raise ObsoleteError("no_consent")
        return _conversion(claimed, found)


def _conversion(claimed: Claimed, found: Row) -> Conversion:
    return Conversion(
        booking_id=found["booking_id"],
        reference=found["reference"],
        happened_at=claimed.created_at,  # planned in the transaction of the acceptance
        booked_at=found["booked_at"],
        value=in_major_units(found["price_minor"], found["currency"]),
        currency=found["currency"],
        service=found["service"],
        customer_id=found["customer_id"],
        may_personalise=found["may_personalise"],
        attribution=read_attribution(found["attribution"]),
        name=found["name"],
        email=found["email"],
        phone=found["phone"],
    )
