"""Reconciliation of vendors' records with bookings: one integration at a time, in pages."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.comparisons import Comparison
from activities.effects import EffectRunner
from activities.failures import as_application_errors
from activities.vendor_calls import Account
from db.engine import autocommit
from db.repositories import effect_planning, findings, integrations
from db.repositories.rows import Row
from domain.effects import Vendor, VendorError
from domain.names import LIST_TO_RECONCILE, RECONCILE_INTEGRATION
from domain.reconciliation import (
    MOST_INTEGRATIONS,
    SEQUENCE_KEYS,
    Difference,
    FindingState,
    IntegrationRef,
    Reconciled,
    ReconcileRequest,
    repair_of,
)
from runtime.metrics import FINDINGS

_log = structlog.get_logger()

_PAGE = 50
"""Bookings per request to the vendor."""
_FLAGS = 20
"""Bookings to flag per integration and round; the next round flags more."""
_FIRST = UUID(int=0)


class ReconciledIntegrations:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @activity.defn(name=LIST_TO_RECONCILE)
    @as_application_errors
    async def list_to_reconcile(self, request: ReconcileRequest) -> list[IntegrationRef]:
        """The next integrations to compare, 200 at most; empty after the last."""
        async with autocommit(self._engine) as conn:
            return await findings.list_to_reconcile(
                conn, only=request.business_id, after=request.after, limit=MOST_INTEGRATIONS
            )


class Reconciliation:
    """Compares records, plans repairs, and stores findings."""

    def __init__(
        self, engine: AsyncEngine, runner: EffectRunner, comparisons: Mapping[Vendor, Comparison]
    ) -> None:
        self._engine = engine
        self._runner = runner
        self._comparisons = comparisons

    @activity.defn(name=RECONCILE_INTEGRATION)
    @as_application_errors
    async def reconcile_integration(self, ref: IntegrationRef) -> Reconciled:
        """Compare all records of one integration. After a crash, it continues after the last stored page.

        Raises:
            ApplicationError: the vendor could not be asked; the error's type is the code.
        """
        async with autocommit(self._engine) as conn:
            found = await integrations.open_one(conn, ref.business_id, ref.port)
        if found is None or found["id"] != ref.integration_id or found["vendor"] not in self._comparisons:
            return Reconciled()
        try:
            account = Account(found["settings"], self._runner.decrypt(found["secrets_encrypted"]))
            return await self._compare(ref, Vendor(found["vendor"]), account)
        except VendorError as error:
            raise ApplicationError(
                error.code,
                type=error.code,
                non_retryable=error.permanent,
                next_retry_delay=error.retry_after,
                category=ApplicationErrorCategory.BENIGN,
            ) from None

    async def _compare(self, ref: IntegrationRef, vendor: Vendor, account: Account) -> Reconciled:
        comparison = self._comparisons[vendor]
        compared = repairing = 0
        after = _resume_after()
        while page := await self._page(comparison, ref, after):
            differences = await comparison.differences(account, page)
            repairing += await self._store(ref, vendor, page, differences)
            compared += len(page)
            after = page[-1]["booking_id"]
            activity.heartbeat(str(after))
        async with autocommit(self._engine) as conn:
            flag = await findings.list_to_flag(conn, ref.business_id, vendor, limit=_FLAGS)
        return Reconciled(compared=compared, repairing=repairing, flag=tuple(flag))

    async def _page(self, comparison: Comparison, ref: IntegrationRef, after: UUID) -> Sequence[Row]:
        async with autocommit(self._engine) as conn:
            return await comparison.page(conn, ref, after=after, limit=_PAGE)

    async def _store(
        self, ref: IntegrationRef, vendor: Vendor, page: Sequence[Row], differences: Sequence[Difference]
    ) -> int:
        """Store the findings of a page, in one transaction; returns how many repairs were planned."""
        last_effects = {row["booking_id"]: row["effect_id"] for row in page}
        async with self._engine.begin() as conn:
            planned = [
                await self._store_one(conn, ref, vendor, difference, last_effects[difference.booking_id])
                for difference in differences
            ]
            resolved = await findings.resolve_gone(
                conn, ref.business_id, vendor, compared=list(last_effects), found=differences
            )
        FINDINGS.labels(vendor, FindingState.RESOLVED).inc(resolved)
        return planned.count(True)

    async def _store_one(
        self,
        conn: AsyncConnection,
        ref: IntegrationRef,
        vendor: Vendor,
        difference: Difference,
        last_effect_id: UUID | None,
    ) -> bool:
        """Keep one difference, unless the booking has moved on meanwhile; whether a repair was planned."""
        business_id, booking_id, key = ref.business_id, difference.booking_id, SEQUENCE_KEYS[ref.port]
        if not await findings.is_unchanged(
            conn, business_id, booking_id, sequence_key=key, effect_id=last_effect_id
        ):
            return False
        finding = await findings.report(conn, business_id, vendor, difference)
        if finding is None:
            return False
        FINDINGS.labels(vendor, finding["state"]).inc()
        ids = {"finding_id": str(finding["id"]), "booking_id": str(booking_id)}
        _log.warning("vendor_differs", vendor=vendor, kind=difference.kind, state=finding["state"], **ids)
        repair = repair_of(difference, ref.port, finding["id"], finding["found_at"])
        if repair is None or finding["state"] != FindingState.REPAIRING:
            return False
        await effect_planning.plan(conn, business_id, booking_id, [repair])
        return True


def _resume_after() -> UUID:
    """The last booking that the previous attempt compared."""
    details = activity.info().heartbeat_details
    return UUID(details[0]) if details else _FIRST
