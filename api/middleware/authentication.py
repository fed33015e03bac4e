"""Authentication and rate limits, and the audit line of writes that have none when they are answered."""

import re
from collections.abc import Awaitable
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import audit_trail
from api.admission import RequestCount, identify
from api.deps import AppState
from api.errors import answer
from api.identity.credentials import Credential
from api.limits import RateLimitPolicy
from api.request_context import RequestContext
from domain.errors import RateLimitedError, UnauthenticatedError

_OPEN_PATHS: Final = frozenset(
    {"/livez", "/readyz", "/health", "/metrics", "/docs", "/openapi.json", "/asyncapi.json"}
)
"""Without authentication and rate limits."""
_STREAM: Final = re.compile(r"/v1/(events|me/events|bookings/[^/]+/events)")
"""Where a ticket stands for `Authorization`."""
_PAGE_FILES: Final = ("/docs/", "/static/")
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT_EFFECT = frozenset({"GET", "HEAD"})
_ERRORS_FROM = 400


class AuthMiddleware:
    """Authenticates the caller and applies rate limits; each route checks permissions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit one HTTP request; other scopes pass."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"] in _OPEN_PATHS or scope["path"].startswith(_PAGE_FILES):
            return await self._app(scope, receive, send)
        app: AppState = scope["app"].state.holdfast
        context: RequestContext = scope["state"]["context"]
        credential = _read(app, scope, context)
        policy = app.limiter.policy_for(scope["method"], scope["path"])
        if policy is None:
            await identify(credential, context)
            return await self._app(scope, receive, _audited(app, scope, send))
        guard = RateLimitGuard(app, scope, receive, send)
        if not await guard.begin(credential, policy):
            return None
        if scope["method"] not in _WITHOUT_EFFECT and not await guard.is_counted():
            return None
        scope["state"]["charge"] = guard.charge
        return await guard.run(self._app(scope, receive, _audited(app, scope, guard.send)))


class RateLimitGuard:
    """One request that is being counted: its answer waits for the count, and is a 429 over the quota."""

    def __init__(self, app: AppState, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._context: RequestContext = scope["state"]["context"]
        self._count = RequestCount(app.limiter, self._context)
        self.charge = self._count.charge
        self._is_refused = False

    async def begin(self, credential: Credential | None, policy: RateLimitPolicy) -> bool:
        """Start counting the request for its caller; False if it has been refused."""
        return await self._passes(await self._count.begin(credential, policy))

    async def is_counted(self) -> bool:
        """Wait for the count; False if the request has been refused."""
        return await self._passes(await self._count.refusal())

    async def _passes(self, refusal: RateLimitedError | None) -> bool:
        if refusal is None:
            return True
        self._is_refused = True
        await answer(Request(self._scope), refusal)(self._scope, self._receive, self._send)
        return False

    async def send(self, message: Message) -> None:
        """Hold the start of the answer until the count is known."""
        starts = message["type"] == "http.response.start"
        if self._is_refused or (starts and not await self.is_counted()):
            return
        await self._send(message)

    async def run(self, answering: Awaitable[None]) -> None:
        """Let the application answer. An outer middleware answers its errors, with the same headers."""
        try:
            await answering
        except Exception:
            if self._is_refused or not await self.is_counted():
                return
            raise


def _read(app: AppState, scope: Scope, context: RequestContext) -> Credential | None:
    """The request's credential; none if it is not valid, and then the context has the refusal."""
    try:
        headers = Headers(scope=scope)
        if _STREAM.fullmatch(scope["path"]) and "authorization" not in headers:
            ticket = QueryParams(scope["query_string"]).get("ticket")
            if ticket is not None:
                return app.credentials.read_ticket(ticket)
        return app.credentials.read(headers)
    except UnauthenticatedError as refusal:
        context.refusal = refusal
        return None


def _audited(app: AppState, scope: Scope, send: Send) -> Send:
    """Write the missing audit line of a successful write before it is answered."""

    async def sending(message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and scope["method"] not in _READING and message["status"] < _ERRORS_FROM:
            context: RequestContext = scope["state"]["context"]
            if context.needs_audit:
                await audit_trail.note_done_apart(app, Request(scope))
        await send(message)

    return sending
