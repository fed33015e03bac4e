"""A user's own holds: looking at one, and giving it back."""

from uuid import UUID

from api.deps import AppState
from api.request_context import RequestContext
from api.writes import AuditedWriter
from db.engine import autocommit
from db.repositories import holds
from db.repositories.rows import Row
from domain.callers import Principal
from domain.errors import HiddenError, NotFoundError


async def find_hold(app: AppState, context: RequestContext, user: Principal, hold_id: UUID) -> Row:
    """The user's hold.

    Raises:
        NotFoundError: there is none.
        HiddenError: it is somebody else's.
    """
    async with autocommit(app.engine) as conn:
        hold = await holds.find_own(conn, user.user_id, hold_id)
        owner = await holds.find_owner(conn, hold_id) if hold is None else hold["business_id"]
    context.about(owner)
    if hold is None:
        raise NotFoundError if owner is None else HiddenError
    return hold


async def release_hold(write: AuditedWriter, context: RequestContext, user: Principal, hold_id: UUID) -> None:
    """Give the time back; a hold that is over, or has become a booking, is left as it is.

    Raises:
        HiddenError: it is somebody else's.
    """
    async with write.begin() as conn:
        owner = await holds.release_own(conn, user.user_id, hold_id, correlation_id=context.request_id)
        if owner is None:
            if await holds.find_own(conn, user.user_id, hold_id) is None:
                context.about(await holds.find_owner(conn, hold_id))
                if context.business_id is not None:
                    raise HiddenError
            context.settle_audit()  # nothing was there to be given back
        context.about(owner)
