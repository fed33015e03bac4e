"""Writing the audit log: every write, in its own transaction, and every denied access."""

import re
from typing import Final

import structlog
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from api.deps import AppState
from api.request_context import RequestContext, context_of
from db.engine import autocommit
from db.repositories import audit
from db.repositories.audit import Entry
from domain.errors import HoldfastError

_log = structlog.get_logger()

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ID: Final = re.compile(rf"{_UUID.pattern}|[a-z0-9]([a-z0-9_-]{{0,61}}[a-z0-9])?")
"""A UUID, or a code of the business's. A path may hold anything that somebody typed: a name, or a secret."""
_NO_OBJECTS: Final = frozenset({"business", "role"})
_LONGEST_ADDRESS: Final = 45


async def note_done(conn: AsyncConnection, request: Request) -> None:
    """Add the line of a write to the transaction that makes it; its caller notes that, once it is committed."""
    await audit.add(conn, context_of(request).business_id, entry_of(request, "done"))


async def note_done_apart(app: AppState, request: Request, code: str | None = None) -> None:
    """The same after a write that was committed elsewhere, such as a booking's command.

    It is done, and will be answered so, whether or not this can be stored: then the log has it. With a code it is
    not known whether it is done: nobody answered in time.
    """
    await add_apart(app, context_of(request), entry_of(request, "done", code))


async def add_apart(app: AppState, context: RequestContext, line: Entry) -> None:
    """Add the line of a write that was committed elsewhere, as `note_done_apart`."""
    try:
        async with autocommit(app.engine) as conn:
            await audit.add(conn, context.business_id, line)
    except Exception as failure:
        _log.error("write_not_audited", error=type(failure).__name__, action=line.action, object_id=line.object_id)
    context.is_audited = True


async def note_denied(app: AppState, request: Request, error: HoldfastError) -> None:
    """Add the line of an access that was denied. The denial stands, whether or not this can be stored."""
    context = context_of(request)
    if context.is_audited:
        return
    try:
        async with autocommit(app.engine) as conn:
            await audit.add(conn, context.business_id, entry_of(request, "denied", error.code))
    except Exception as failure:
        _log.warning("denial_not_audited", error=type(failure).__name__)
    context.is_audited = True


def entry_of(request: Request, outcome: str, code: str | None = None) -> Entry:
    """The line for this request as far as it has come."""
    context = context_of(request)
    route = request.scope.get("route")
    return Entry(
        actor_kind=context.caller.kind,
        actor_id=context.caller.id,
        action=getattr(route, "operation_id", None) or "unknown",
        object_id=_object_of(request, context, outcome),
        outcome=outcome,
        code=code,
        address=context.address[:_LONGEST_ADDRESS],
        request_id=context.request_id,
    )


def _object_of(request: Request, context: RequestContext, outcome: str) -> str | None:
    """What was named by the handler, else the last thing that the path names by an id.

    Of what was denied UUIDs alone: whatever else a stranger wrote into the path may be anything.
    """
    if context.object_id is not None:
        return context.object_id
    kept = _ID if outcome == "done" else _UUID
    named = [str(value) for name, value in request.path_params.items() if name not in _NO_OBJECTS]
    return next((value for value in reversed(named) if kept.fullmatch(value)), None)
