"""How one kind of vendor's records are compared with bookings: what is compared, and where it differs."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.ports.jobs import JobManagement
from activities.ports.payments import Gateway
from activities.ports.vendors import Account, Call
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
    with_doubts,
)

_AT_ONCE: Final = 5
"""Questions to a gateway."""


class Comparison(Protocol):
    """One kind of records. Every row has at least `booking_id` and `effect_id`, the last effect planned for it."""

    port: Port

    async def page(self, conn: AsyncConnection, ref: IntegrationRef, *, after: UUID, limit: int) -> Sequence[Row]:
        """The next bookings to compare, by id."""

    async def differences(self, account: Account, page: Sequence[Row]) -> list[Difference]:
        """Where the vendor's records differ from them.

        Raises:
            VendorError: it could not be asked.
        """


class JobComparison:
    """Bookings against the jobs that stand for them."""

    port = Port.JOBS

    def __init__(self, management: JobManagement) -> None:
        self._management = management

    async def page(self, conn: AsyncConnection, ref: IntegrationRef, *, after: UUID, limit: int) -> Sequence[Row]:
        """Bookings that should have a job."""
        return await jobs.list_to_compare(conn, ref.business_id, ref.integration_id, after=after, limit=limit)

    async def differences(self, account: Account, page: Sequence[Row]) -> list[Difference]:
        """All of them in one question."""
        found = await self._management.find_all(account, [row["booking_id"] for row in page])
        compared = (_of_job(row, [job for job in found if job.booking_id == row["booking_id"]]) for row in page)
        return with_doubts([one for one in compared if one is not None], len(page))


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
    """Payments against the gateway's truth."""

    port = Port.PAYMENTS

    def __init__(self, vendor: Vendor, gateway: Gateway) -> None:
        self._vendor = vendor
        self._gateway = gateway

    async def page(self, conn: AsyncConnection, ref: IntegrationRef, *, after: UUID, limit: int) -> Sequence[Row]:
        """Payments through this gateway that may have moved."""
        return await compared_payments.list_to_compare(
            conn, ref.business_id, self._vendor, after=after, limit=limit
        )

    async def differences(self, account: Account, page: Sequence[Row]) -> list[Difference]:
        """Each is a question of its own; a few at once."""
        slots = asyncio.Semaphore(_AT_ONCE)
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
            # This one's record is not as it was; the others may well be.
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
