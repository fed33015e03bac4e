"""`/v1/events`: what has happened in a business, in order and without a gap."""

import asyncio
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from api.access import needs
from api.businesses.answers import listed
from api.deps import AppState, AppStateDep
from api.events.schemas import EventPage, EventPattern
from api.request_context import RequestContext, RequestContextDep
from db.engine import autocommit
from db.repositories import businesses, events
from db.repositories.events import EventRange
from domain.access import Permission, require
from domain.callers import businesses_run_by
from domain.errors import InvalidRequestError, NotFoundError
from domain.events import cloud_event

router = APIRouter(prefix="/v1/events", tags=["events"])

_LONGEST_WAIT: Final = 25
_LOOK_EVERY: Final = 0.25
_MARGIN: Final = 2.0
_LAST_POSITION: Final = 2**53 - 1
"""The last number that every JSON parser reads exactly."""

After = Annotated[
    int, Query(ge=0, le=_LAST_POSITION, description="The last position that you have; 0: from the first.")
]
Types = Annotated[
    list[EventPattern] | None,
    Query(max_length=20, description="Only these: types, or beginnings of types as `scheduling.booking.*`."),
]
Wait = Annotated[
    int, Query(ge=0, le=_LONGEST_WAIT, description="Seconds to wait for an event when there is none yet.")
]


@router.get("", operation_id="listEvents", dependencies=[needs(Permission.READ_EVENTS)], response_model=EventPage)
async def list_events(
    app: AppStateDep,
    context: RequestContextDep,
    business_id: UUID | None = None,
    after: After = 0,
    types: Types = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    wait: Wait = 0,
) -> Response:
    """The events of a business behind a position, oldest first. No position is ever left out or filled in later.

    Go on with `after` = `next`, also when `items` is empty: of some types, an answer looks at 10,000 events at
    most. `business_id` is needed when you run several businesses.
    """
    business = await _business_of(app, context, business_id)
    patience = min(float(wait), app.settings.request_timeout_seconds - _MARGIN)
    while True:
        found = await _look(app, business, after, limit, types)
        if found.events or found.next > after or patience <= 0:
            break
        await asyncio.sleep(_LOOK_EVERY)
        patience -= _LOOK_EVERY
    items = [cloud_event(row) for row in found.events]
    return listed({"items": items, "next": found.next, "last": found.last})


async def _look(app: AppState, business_id: UUID, after: int, limit: int, types: list[str] | None) -> EventRange:
    async with autocommit(app.engine) as conn:
        return await events.list_after(conn, business_id, after=after, limit=limit, types=types or ())


async def _business_of(app: AppState, context: RequestContext, business_id: UUID | None) -> UUID:
    """The business that is meant, whose events the caller may see."""
    run = businesses_run_by(context.caller)
    if business_id is None:
        if len(run) != 1:
            raise InvalidRequestError("Say by `business_id` whose events: you run no business, or several.")
        business_id = run[0]
    if business_id not in run:  # whose it is, if anybody's, is told of the denial
        async with autocommit(app.engine) as conn:
            if await businesses.find(conn, str(business_id)) is None:
                raise NotFoundError(f"There is no business {business_id}.")
    context.business_id = business_id
    require(context.caller, Permission.READ_EVENTS, business_id)
    return business_id
