"""`POST /v1/stream-tickets`: a browser's `EventSource` cannot send a token, and an address must not have one.

A ticket opens one stream, once, within 30 seconds. The stream ends when the token does with which it was issued.
"""

from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.access import needs
from api.answers import listed
from api.deps import AppStateDep
from api.identity.credentials import new_ticket
from api.request_context import RequestContextDep
from db.engine import autocommit
from db.repositories import stream_tickets
from domain.access import Permission
from domain.accounts import token_hash

_LIFETIME: Final = timedelta(seconds=30)

router = APIRouter(tags=["events"])


class StreamTicketOut(BaseModel):
    ticket: str
    """Send it as `?ticket=` of a stream's address, or as the first message of a WebSocket."""
    expires_at: datetime


@router.post(
    "/v1/stream-tickets",
    operation_id="createStreamTicket",
    dependencies=[needs(Permission.LISTEN, is_audited=False)],
    response_model=StreamTicketOut,
)
async def create(app: AppStateDep, context: RequestContextDep) -> Response:
    """Get a ticket for one stream, for clients that cannot send `Authorization` with it."""
    ticket = new_ticket(context.credential_ends_at)
    async with autocommit(app.engine) as conn:
        await stream_tickets.add(conn, token_hash(ticket), context.caller, _LIFETIME)
    return listed({"ticket": ticket, "expires_at": app.now() + _LIFETIME})
