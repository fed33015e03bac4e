"""`/v1/events`: what has happened in a business, in order and without a gap."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, Field

from api.access import needs
from api.answers import listed
from api.deps import AppState, AppStateDep
from api.request_context import RequestContext, RequestContextDep
from db.engine import autocommit
from db.repositories import businesses, events
from db.repositories.events import EventRange
from domain.access import Permission, require_membership
from domain.callers import businesses_run_by
from domain.errors import InvalidRequestError, NotFoundError
from domain.event_audiences import EVERYTHING
from domain.events import LONGEST_PATTERN, PATTERN, checked_pattern, cloud_event

EventPattern = Annotated[
    str,
    Field(
        max_length=LONGEST_PATTERN,
        json_schema_extra={"pattern": f"^{PATTERN.pattern}$"},
        examples=["scheduling.booking.accepted", "scheduling.booking.*"],
    ),
    AfterValidator(checked_pattern),
]
"""A type of event, or the beginning of some."""


class CloudEvent(BaseModel):
    """An event. Members without a value are left out."""

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    """Of each business its own: `sequence` is an order within it."""
    type: str
    subject: str
    """What it is about: the id of the booking, or of the message, the hold, the service …"""
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: str
    """The event's position among its business's, gapless from 1, with zeros before it: it sorts as text."""
    tenant: UUID
    """The business."""
    correlationid: str | None = None
    """The id of the request that led to it."""
    actorrole: str | None = None
    actorid: UUID | None = None
    """The user who did it."""
    dataversion: str
    data: dict[str, Any]


class EventPage(BaseModel):
    items: list[CloudEvent]
    next: int
    """What to send as `after` next time."""
    last: int
    """The position of the newest event there is; you have caught up when `next` is that."""


router = APIRouter(prefix="/v1/events", tags=["events"])

_LONGEST_WAIT: Final = 25
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
    business = await business_of(app, context, business_id)
    found = await _look(app, business, after, limit, types)
    patience = min(float(wait), app.settings.request_timeout_seconds - _MARGIN)
    if patience > 0 and not found.events and found.next <= after:
        await _wait(app, business, found.next, types, patience)
        found = await _look(app, business, after, limit, types)
    items = [cloud_event(row) for row in found.events]
    return listed({"items": items, "next": found.next, "last": found.last})


async def _wait(app: AppState, business_id: UUID, after: int, types: list[str] | None, patience: float) -> None:
    """Wait for an event of these types behind a position, or until patience is over or this process stops."""
    topics, places = {business_id: frozenset({EVERYTHING})}, {business_id: after}
    with suppress(TimeoutError):
        async with asyncio.timeout(patience), app.hub.follow(topics, places, types or ()) as follower:
            while not app.hub.is_closing and not await follower.next(patience):
                pass


async def _look(app: AppState, business_id: UUID, after: int, limit: int, types: list[str] | None) -> EventRange:
    async with autocommit(app.engine) as conn:
        return await events.list_after(conn, business_id, after=after, limit=limit, types=types or ())


async def business_of(app: AppState, context: RequestContext, business_id: UUID | None) -> UUID:
    """The business whose events are asked for, if the caller may see them."""
    run = businesses_run_by(context.caller)
    if business_id is None:
        if len(run) != 1:
            raise InvalidRequestError("Say by `business_id` whose events: you run no business, or several.")
        business_id = run[0]
    if business_id not in run:  # the audit log of an existing business has the denial
        async with autocommit(app.engine) as conn:
            if await businesses.find(conn, str(business_id)) is None:
                raise NotFoundError(f"There is no business {business_id}.")
    context.about(business_id)
    require_membership(context.caller, Permission.READ_EVENTS, business_id)
    return business_id
