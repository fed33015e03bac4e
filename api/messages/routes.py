"""`/v1/bookings/{booking_id}/messages`: the messages of a booking, for owners and admins."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from api.access import needs
from api.answers import listed
from api.bookings.lookup import find_booking
from api.deps import AppStateDep
from api.messages.schemas import MessageOut, Messages
from api.request_context import RequestContextDep
from db.engine import autocommit
from db.repositories import messages
from db.repositories.rows import Row
from domain.access import Permission, may
from domain.errors import ForbiddenError

router = APIRouter(prefix="/v1/bookings/{booking_id}/messages", tags=["messages"])


@router.get(
    "",
    operation_id="listBookingMessages",
    dependencies=[needs(Permission.READ_MESSAGES)],
    response_model=Messages,
)
async def list_booking_messages(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> Response:
    """Everything that anybody was told of the booking, or was to be: how far it got, and in which words."""
    found = await find_booking(app, context, booking_id)
    if not may(context.caller, Permission.READ_MESSAGES, found["business_id"]):
        raise ForbiddenError
    async with autocommit(app.engine) as conn:
        rows = await messages.list_of_booking(conn, found["business_id"], booking_id)
    return listed({"items": [_out(row) for row in rows]})


def _out(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in MessageOut.model_fields}
