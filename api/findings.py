"""`/v1/businesses/{business}/findings`: differences between vendors' records and bookings."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from api import cursors
from api.access import BusinessDep, needs
from api.answers import listed
from api.deps import AppStateDep
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import findings
from domain.access import Permission
from domain.effects import Vendor
from domain.errors import NotFoundError
from domain.reconciliation import FindingKind, FindingState


class FindingOut(BaseModel):
    """A difference between a booking and a vendor's record of it."""

    id: UUID
    booking_id: UUID | None
    vendor: Vendor
    kind: FindingKind
    state: FindingState
    detail: dict[str, Any]
    """Ids, codes, times and amounts, ours and theirs; which, depends on the kind."""
    found_at: datetime
    resolved_at: datetime | None


class FindingPage(BaseModel):
    items: list[FindingOut]
    next_cursor: str | None


router = APIRouter(prefix="/v1/businesses/{business}", tags=["findings"])


@router.get(
    "/findings",
    operation_id="listFindings",
    dependencies=[needs(Permission.READ_JOBS)],
    response_model=FindingPage,
)
async def list_findings(
    business: BusinessDep,
    app: AppStateDep,
    state: FindingState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=cursors.LONGEST)] = None,
) -> Response:
    """Differences between vendors' records and bookings, the latest first.

    What is `open` waits for a decision of yours; what is `repairing` mends itself.
    """
    listing = f"findings/{business['id']}/{state}"
    after = app.cursors.decode(listing, cursor) if cursor else None
    async with autocommit(app.engine) as conn:
        rows = await findings.list_page(
            conn, business["id"], limit=limit + 1, state=state, after=(after[0], after[1]) if after else None
        )
    shown = rows[:limit]
    more = app.cursors.encode(listing, shown[-1]["found_at"], shown[-1]["id"]) if len(rows) > limit else None
    items = [FindingOut(**row).model_dump(mode="json") for row in shown]
    return listed({"items": items, "next_cursor": more})


@router.post(
    "/findings/{finding_id}/resolve",
    operation_id="resolveFinding",
    dependencies=[needs(Permission.RECONCILE)],
    response_model=FindingOut,
)
async def resolve_finding(business: BusinessDep, finding_id: UUID, write: WriterDep) -> Response:
    """Put a finding aside. It comes back when the difference has become another one."""
    async with write.begin() as conn:
        row = await findings.resolve(conn, business["id"], finding_id)
        if row is None:
            raise NotFoundError("This business has no such finding.")
    return listed(FindingOut(**row).model_dump(mode="json"))


@router.post(
    "/reconcile",
    status_code=202,
    response_class=Response,
    operation_id="reconcileBusiness",
    dependencies=[needs(Permission.RECONCILE)],
)
async def reconcile_business(business: BusinessDep, app: AppStateDep, write: WriterDep) -> Response:
    """Have vendors' records compared with bookings now, beside the rounds that come by the clock.

    What is found is among the findings within a minute or so. One round goes on at a time.
    """
    await app.gateway.reconcile(business["id"])  # no transaction is open while Temporal is called
    async with write.begin():
        pass
    return Response(status_code=202)
