"""Comparison of one kind of vendor's records with bookings, for `activities/reconciliation.py`."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.ports import Gateway, JobManagement
from activities.vendor_calls import Account, Call
from db.repositories import compared_payments, jobs, payments
from db.repositories.rows import Row
from domain.effects import EffectState, Port, Vendor, VendorError
from domain.jobs import Job
from domain.lifecycle import Status
from domain.policies import Cancellation
from domain.reconciliation import (
    Difference,
    ExpectedJob,
    ExpectedPayment,
    FindingKind,
    IntegrationRef,
    job_difference,
    payment_difference,
    withhold_mass_repairs,
)

_CONCURRENT_REQUESTS: Final = 5
"""To one gateway."""


class Comparison(Protocol):
    """One kind of record. Each row has at least `booking_id` and `effect_id`, the last effect planned for it."""

    port: Port

    async def page(self, conn: AsyncConnection, ref: IntegrationRef, *, after: UUID, limit: int) -> Sequence[Row]:
        """The next bookings to compare, ordered by id."""

    async def differences(self, account: Account, page: Sequence[Row]) -> list[Difference]:
        """Where the vendor's records differ from these bookings.

        Raises:
            VendorError: the vendor could not be asked.
        """


class JobComparison:
    """Bookings against their jobs in the job system."""

    port = Port.JOBS

    def __init__(self, management: JobManagement) -> None:
        self._management = management

    async def page(self, conn: AsyncConnection, ref: IntegrationRef, *, after: UUID, limit: int) -> Sequence[Row]:
        """Bookings that should have a job."""
        return await jobs.list_to_compare(conn, ref.business_id, ref.integration_id, after=after, limit=limit)

    async def differences(self, account: Account, page: Sequence[Row]) -> list[Difference]:
        """All of them in one request."""
        found = await self._management.find_all(account, [row["booking_id"] for row in page])
        compared = (_of_job(row, [job for job in found if job.booking_id == row["booking_id"]]) for row in page)
        return withhold_mass_repairs([difference for difference in compared if difference is not None], len(page))


def _of_job(row: Row, found: list[Job]) -> Difference | None:
    expected = ExpectedJob(
        booking_id=row["booking_id"],
        status=Status(row["status"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        last_effect=EffectState(row["effect_state"]),
    )
    return job_difference(expected, found)


class PaymentComparison:
    """Payments against the gateway's records."""

    port = Port.PAYMENTS

    def __init__(self, vendor: Vendor, gateway: Gateway) -> None:
        self._vendor = vendor
        self._gateway = gateway

    async def page(self, conn: AsyncConnection, ref: IntegrationRef, *, after: UUID, limit: int) -> Sequence[Row]:
        """Payments through this gateway that may have changed."""
        return await compared_payments.list_to_compare(
            conn, ref.business_id, self._vendor, after=after, limit=limit
        )

    async def differences(self, account: Account, page: Sequence[Row]) -> list[Difference]:
        """One request for each, a few at a time."""
        slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)
        call = Call(account, "reconciliation", 1, datetime.now(UTC))

        async def compare(row: Row) -> Difference | None:
            async with slots:
                return await self._of_payment(call, row)

        compared = await asyncio.gather(*(compare(row) for row in page))
        return [difference for difference in compared if difference is not None]

    async def _of_payment(self, call: Call, row: Row) -> Difference | None:
        try:
            charges = await self._gateway.charges(call, row["payer_ref"])
        except VendorError as error:
            if not error.permanent or error.code in ("unauthorized", "not_configured"):
                raise
            # Only this payment's record is broken; the others can still be compared.
            detail = {"error": error.code, "payer": row["payer_ref"]}
            return Difference(FindingKind.PAYMENT_DIFFERS, row["booking_id"], detail=detail)
        fee = Cancellation(fee_percent=row["fee_percent"]).fee_minor(row["price_minor"])
        expected = ExpectedPayment(
            booking_id=row["booking_id"],
            status=Status(row["status"]),
            vendor=self._vendor,
            currency=row["currency"],
            payment=payments.as_payment(row),
            fee=fee,
            fee_percent=row["fee_percent"],
            settled_version=row["settled_version"],
        )
        return payment_difference(expected, charges)
