"""`/v1/bookings`: create, look at, and list."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api import audit_trail
from api.access import needs
from api.bookings import representation
from api.bookings.creation import create_booking
from api.bookings.lookup import find_booking, list_page
from api.bookings.progress import history_of, next_of
from api.bookings.schemas import BookingIn, BookingOut, BookingPage, History, NextOut
from api.cursors import LONGEST
from api.deps import AppStateDep
from api.idempotency import OptionalKey, plain_key
from api.request_context import RequestContextDep
from db.repositories.bookings import Filters
from domain.access import Permission
from domain.lifecycle import Status
from domain.times import MomentInUrl
from runtime.json import to_json

router = APIRouter(prefix="/v1/bookings", tags=["bookings"])


@router.post(
    "",
    operation_id="createBooking",
    dependencies=[needs(Permission.BOOK)],
    status_code=201,
    response_model=BookingOut,
)
async def create(
    body: BookingIn,
    request: Request,
    context: RequestContextDep,
    app: AppStateDep,
    idempotency_key: OptionalKey = None,
) -> Response:
    """Book a service at a time. Answers once the booking is committed; a provider is asked right behind it.

    `Idempotency-Key` is required. Without logging in, say who you are in `customer`; the token in `manage` then
    opens the booking to whoever has it, to see, move or cancel it.
    """
    audit = audit_trail.entry_of(request, "done")
    created = await create_booking(app, context, body, plain_key(idempotency_key), audit)
    return representation.created_response(created.body, created.booking_id, context.caller, app.tokens)


@router.get(
    "", operation_id="listBookings", dependencies=[needs(Permission.READ_BOOKINGS)], response_model=BookingPage
)
async def list_bookings(
    app: AppStateDep,
    context: RequestContextDep,
    status: Annotated[list[Status] | None, Query()] = None,
    business_id: UUID | None = None,
    provider_id: UUID | None = None,
    customer_id: UUID | None = None,
    needs_attention: bool | None = None,
    from_: Annotated[MomentInUrl | None, Query(alias="from", description="Starts at or after.")] = None,
    to: Annotated[MomentInUrl | None, Query(description="Starts before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> Response:
    """The bookings that you may see, by start: your own, those you provide, those of businesses you run."""
    filters = Filters(
        statuses=tuple(status or ()),
        business_id=business_id,
        provider_id=provider_id,
        customer_id=customer_id,
        starts_from=from_,
        starts_before=to,
        needs_attention=needs_attention,
    )
    page = await list_page(app, context, filters, limit=limit, cursor=cursor)
    items = [representation.booking(row, context.caller) for row in page.rows]
    return Response(to_json({"items": items, "next_cursor": page.next_cursor}), media_type="application/json")


@router.get(
    "/{booking_id}",
    operation_id="getBooking",
    dependencies=[needs(Permission.READ_BOOKINGS)],
    response_model=BookingOut,
)
async def get(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> Response:
    """One booking."""
    found = await find_booking(app, context, booking_id)
    return representation.booking_response(found, context.caller, app.tokens)


@router.get(
    "/{booking_id}/history", operation_id="getBookingHistory", dependencies=[needs(Permission.READ_BOOKINGS)]
)
async def history(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> History:
    """Every step of the booking: who, as what, when and why. Guests are told the role, not who it was."""
    return await history_of(app, context, booking_id)


@router.get("/{booking_id}/next", operation_id="getBookingNext", dependencies=[needs(Permission.READ_BOOKINGS)])
async def next_(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> NextOut:
    """What happens next: the phase, its deadline, the attempts, who refused, and the reminders to come."""
    return await next_of(app, context, booking_id)
