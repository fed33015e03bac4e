"""Creating a hold: from the request to the command, and the answer to a request that is repeated."""

from uuid import UUID

import orjson

from api.deps import AppState
from api.holds.representation import hold_as_json
from api.holds.schemas import HoldIn
from api.idempotency import digest, first_answer
from api.request_context import RequestContext
from db.engine import autocommit
from db.repositories.audit import Entry
from db.repositories.idempotency import Key
from db.repositories.rows import Row
from db.scheduling import holds, offerings
from db.scheduling.holds import Held, PlaceHold
from db.scheduling.requests import AppointmentRequest
from domain.callers import Principal
from domain.errors import HoldfastError


async def create_hold(
    app: AppState, context: RequestContext, user: Principal, body: HoldIn, key: str | None, audit: Entry
) -> Held:
    """Hold the time, or return the answer that this key got before. `audit` is the line in the audit log.

    Raises:
        HoldfastError: what `holds.place_hold` or `offerings.find_offering` refuses with; nothing was stored.
    """
    request_key = None if key is None else Key(f"{user.user_id}/createHold", key, digest(body))
    try:
        held = await _hold(app, context, user, body, request_key, audit)
    except HoldfastError:
        if (first := await _first_answer(app, context, request_key)) is None:
            raise
        held = first
    context.about(object_id=held.hold_id)
    context.settle_audit()
    return held


async def _hold(
    app: AppState, context: RequestContext, user: Principal, body: HoldIn, key: Key | None, audit: Entry
) -> Held:
    now, appointment = app.now(), _appointment(body)
    async with autocommit(app.engine) as conn:
        offering = await offerings.find_offering(conn, appointment, user.user_id, now)
    context.about(offering.business_id)
    command = PlaceHold(user=user, offering=offering, appointment=appointment, key=key, now=now, audit=audit)
    return await holds.place_hold(app.engine, command, _render)


def _appointment(body: HoldIn) -> AppointmentRequest:
    return AppointmentRequest(
        business=body.business_id,
        service=body.service_id,
        starts_at=body.starts_at,
        provider_id=body.provider_id,
        preferred_provider_id=body.preferred_provider_id,
        postal_code=body.postal_code,
    )


def _render(hold: Row) -> str:
    return hold_as_json(hold).decode()


async def _first_answer(app: AppState, context: RequestContext, key: Key | None) -> Held | None:
    if key is None:
        return None
    answer = await first_answer(app.engine, key)
    if answer is None:
        return None
    found = orjson.loads(answer.response)
    context.about(UUID(found["business_id"]))
    return Held(UUID(found["id"]), answer.response)
