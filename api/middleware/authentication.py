"""Authentication and rate limits, and the audit line of writes that have none when they are answered."""

import asyncio
import re
from collections.abc import Awaitable
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import audit_trail
from api.addresses import network_of
from api.deps import AppState
from api.errors import answer
from api.identity.credentials import Credential
from api.limits import QuotaStatus, RateLimitPolicy
from api.request_context import RequestContext
from domain.callers import ANONYMOUS, KeyHolder
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
_MOST_SHARE: Final = 4

Counting = asyncio.Future[QuotaStatus | None]


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
            await _identify(credential, context)
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
        self._limiter = app.limiter
        self._scope = scope
        self._receive = receive
        self._send = send
        self._context: RequestContext = scope["state"]["context"]
        self._counting: Counting | None = None
        self._counted: tuple[RateLimitPolicy, str] | None = None
        self._is_refused = False

    async def begin(self, credential: Credential | None, policy: RateLimitPolicy) -> bool:
        """Start counting the request for its caller; False if it has been refused."""
        subject = self._known_subject(credential, policy)
        if subject is None:  # only the database knows the caller
            await _identify(credential, self._context)
            subject = self._subject(policy)
        known = self._limiter.refusal(policy, subject)
        if known is not None:
            await self._refuse(known)
            return False
        self._counted = policy, subject
        self._counting = self._limiter.count(policy, subject)
        await _identify(credential, self._context)
        return True

    def _known_subject(self, credential: Credential | None, policy: RateLimitPolicy) -> str | None:
        """The subject of the request, if it is known without the database."""
        by_caller = self._limiter.counts_by_caller(policy)
        if by_caller and credential is not None:
            return credential.subject
        return self._limiter.by_address(policy, self._context.address)

    def _subject(self, policy: RateLimitPolicy) -> str:
        if self._context.caller is ANONYMOUS:
            return self._limiter.by_address(policy, self._context.address)
        if isinstance(self._context.caller, KeyHolder) and self._context.caller.is_public:
            # All visitors of a page share the key: one of them must not use it up for the others.
            return f"{self._context.caller_name}:{network_of(self._context.address)}"
        return self._context.caller_name

    async def is_counted(self) -> bool:
        """Wait for the count; False if the request has been refused."""
        assert self._counting is not None
        status = await self._counting
        if status is None:
            return True
        if not status.is_admitted:
            await self._refuse(status)
            return False
        self._context.headers.update(status.headers())
        return True

    async def charge(self, requests: int) -> None:
        """Count more requests for this one, a quarter of the quota at most.

        Raises:
            RateLimitedError: the quota does not cover them all.
        """
        assert self._counted is not None
        policy, subject = self._counted
        requests = min(requests, policy.quota // _MOST_SHARE)
        countings = [self._limiter.count(policy, subject) for _ in range(requests)]
        for counting in filter(None, (self._counting, *countings)):
            self._counting = counting  # decides whether the answer is sent or replaced by a 429
            status = await counting
            if status is not None and not status.is_admitted:
                raise RateLimitedError(retry_after=status.seconds)

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

    async def _refuse(self, status: QuotaStatus) -> None:
        self._is_refused = True
        self._context.headers.update(status.headers())
        response = answer(Request(self._scope), RateLimitedError(retry_after=status.seconds))
        await response(self._scope, self._receive, self._send)


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


async def _identify(credential: Credential | None, context: RequestContext) -> None:
    if credential is None or context.caller is not ANONYMOUS or context.refusal is not None:
        return
    try:
        context.caller = await credential.resolve()
    except UnauthenticatedError as refusal:
        context.refusal = refusal


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
