"""`/v1/holds`: keep one provider's time for some minutes, while the customer fills in the form."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from api import audit_trail
from api.access import UserDep, needs
from api.deps import AppStateDep
from api.holds.creation import create_hold
from api.holds.lookup import find_hold, release_hold
from api.holds.representation import hold_as_json
from api.holds.schemas import HoldIn, HoldOut
from api.idempotency import OptionalKey, plain_key
from api.request_context import RequestContextDep
from api.writes import WriterDep
from domain.access import Permission

router = APIRouter(prefix="/v1/holds", tags=["holds"])


@router.post(
    "", operation_id="createHold", dependencies=[needs(Permission.HOLD)], status_code=201, response_model=HoldOut
)
async def create(
    body: HoldIn,
    request: Request,
    context: RequestContextDep,
    app: AppStateDep,
    user: UserDep,
    idempotency_key: OptionalKey = None,
) -> Response:
    """Hold a slot. Book with `hold_id` before `expires_at`, or give it back; else it is free again by itself."""
    audit = audit_trail.entry_of(request, "done")
    held = await create_hold(app, context, user, body, plain_key(idempotency_key), audit)
    return Response(held.body, 201, {"Location": f"/v1/holds/{held.hold_id}"}, "application/json")


@router.get("/{hold_id}", operation_id="getHold", dependencies=[needs(Permission.HOLD)], response_model=HoldOut)
async def get(hold_id: UUID, app: AppStateDep, context: RequestContextDep, user: UserDep) -> Response:
    """A hold of yours: `held`, `booked` or `expired`."""
    hold = await find_hold(app, context, user, hold_id)
    return Response(hold_as_json(hold), media_type="application/json")


@router.delete("/{hold_id}", operation_id="releaseHold", dependencies=[needs(Permission.HOLD)], status_code=204)
async def release(hold_id: UUID, context: RequestContextDep, user: UserDep, write: WriterDep) -> Response:
    """Give the time back. A hold that is over, or has become a booking, is left as it is."""
    await release_hold(write, context, user, hold_id)
    return Response(status_code=204)
