"""Writing the audit log: every write, in the transaction that makes it, and every denied access."""

import re
from collections.abc import Sequence
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
"""A UUID, or a business's own code. Anything else in a path may be personal data or a secret."""
_NO_OBJECTS: Final = frozenset({"business", "role"})
_LONGEST_ADDRESS: Final = 45


async def note_done_apart(app: AppState, request: Request, code: str | None = None) -> None:
    """Add the line of a write that was committed elsewhere, such as a booking's command.

    The write stands whether or not the line can be stored; a line that cannot goes to the process's log. With a
    code it is unknown whether the write was done: nothing answered in time.
    """
    await add_apart(app, context_of(request), entry_of(request, "done", code))


async def add_apart(app: AppState, context: RequestContext, line: Entry) -> None:
    """The same, of a line that is made already."""
    try:
        async with autocommit(app.engine) as conn:
            await audit.add(conn, context.business_id, line)
    except Exception as failure:
        _log.error("write_not_audited", error=type(failure).__name__, action=line.action, object_id=line.object_id)
    context.settle_audit()


async def note_denied(app: AppState, request: Request, error: HoldfastError) -> None:
    """Add the line of a denied access. The denial stands whether or not the line can be stored."""
    await add_denied(app, context_of(request), entry_of(request, "denied", error.code))


async def add_denied(app: AppState, context: RequestContext, line: Entry) -> None:
    """Add the line of a denied access, as `note_denied`."""
    if not context.needs_audit:
        return
    try:
        async with autocommit(app.engine) as conn:
            await audit.add(conn, context.business_id, line)
    except Exception as failure:
        _log.warning("denial_not_audited", error=type(failure).__name__)
    context.settle_audit()


async def note_denied_in_socket(app: AppState, context: RequestContext, action: str, error: HoldfastError) -> None:
    """The same for a message over a WebSocket, which is no request of its own."""
    line = Entry(
        actor_kind=context.caller.kind,
        actor_id=context.caller.id,
        action=action,
        object_id=context.object_id,
        outcome="denied",
        code=error.code,
        address=context.address[:_LONGEST_ADDRESS],
        request_id=context.request_id,
    )
    try:
        async with autocommit(app.engine) as conn:
            await audit.add(conn, context.business_id, line)
    except Exception as failure:
        _log.warning("denial_not_audited", error=type(failure).__name__)


async def note_denied_in(conn: AsyncConnection, request: Request, code: str) -> None:
    """Add the line of a denial to a transaction that is committed all the same."""
    await audit.add(conn, context_of(request).business_id, entry_of(request, "denied", code))


def entry_of(request: Request, outcome: str, code: str | None = None) -> Entry:
    """The line for this HTTP request, by what is known of it now."""
    action = getattr(request.scope.get("route"), "operation_id", None) or "unknown"
    named = [str(value) for name, value in request.path_params.items() if name not in _NO_OBJECTS]
    return line_of(context_of(request), action, named, outcome, code)


def line_of(
    context: RequestContext, action: str, named: Sequence[str], outcome: str, code: str | None = None
) -> Entry:
    """The line for a request: `action` is its operation id, `named` are the objects that it names."""
    return Entry(
        actor_kind=context.caller.kind,
        actor_id=context.caller.id,
        action=action,
        object_id=_object_of(context, named, outcome),
        outcome=outcome,
        code=code,
        address=context.address[:_LONGEST_ADDRESS],
        request_id=context.request_id,
    )


def _object_of(context: RequestContext, named: Sequence[str], outcome: str) -> str | None:
    """What the handler named, else the last id that the request names.

    Of a denied request only UUIDs count: a stranger may have written anything into it.
    """
    if context.object_id is not None:
        return context.object_id
    kept = _ID if outcome == "done" else _UUID
    return next((value for value in reversed(named) if kept.fullmatch(value)), None)
