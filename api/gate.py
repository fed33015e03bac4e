"""The way into the application: who is asking, and what is noted of it when it is answered."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.audit import trail
from api.deps import Parts
from api.exchange import Exchange
from domain.errors import UnauthenticatedError

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ERRORS_FROM = 400


class Gate:
    """Finds out who the caller is before the application is asked; what they may do, each route says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one HTTP request in; anything else passes."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        parts: Parts = scope["app"].state.parts
        await _identify(parts, scope)
        return await self._app(scope, receive, _audited(parts, scope, send))


async def _identify(parts: Parts, scope: Scope) -> None:
    exchange: Exchange = scope["state"]["exchange"]
    try:
        credential = parts.credentials.read(Headers(scope=scope))
        exchange.caller = await credential.resolve()
    except UnauthenticatedError as refusal:
        exchange.refusal = refusal


def _audited(parts: Parts, scope: Scope, send: Send) -> Send:
    """Before a write that has no line in the audit log yet is answered, it gets one."""

    async def sending(message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and scope["method"] not in _READING and message["status"] < _ERRORS_FROM:
            exchange: Exchange = scope["state"]["exchange"]
            if not exchange.is_audited:
                await trail.note_done_apart(parts, Request(scope))
        await send(message)

    return sending
