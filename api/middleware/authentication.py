"""The way into the application: who is asking, how much they ask, and what is noted of it when it is answered."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import audit_trail
from api.addresses import network_of
from api.deps import AppState
from api.errors import answer
from api.identity.credentials import Credential
from api.limits import RateLimitPolicy, Standing
from api.request_context import RequestContext
from domain.callers import ANONYMOUS, KeyHolder
from domain.errors import RateLimitedError, UnauthenticatedError

_OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/health", "/metrics", "/docs", "/openapi.json"})
"""Nobody is asked who they are, or how often they come."""
_PAGE_FILES: Final = "/docs/"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WITHOUT_EFFECT = frozenset({"GET", "HEAD"})
_ERRORS_FROM = 400
_MOST_SHARE: Final = 4

Counting = asyncio.Future[Standing | None]


class AuthMiddleware:
    """Finds out who the caller is and whether they may ask now; what they may do, each route says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one HTTP request in; anything else passes."""
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
        toll = RateLimitGuard(app, scope, receive, send)
        if not await toll.begin(credential, policy):
            return None
        if scope["method"] not in _WITHOUT_EFFECT and not await toll.is_counted():
            return None
        scope["state"]["charge"] = toll.charge
        return await toll.through(self._app(scope, receive, _audited(app, scope, toll.send)))


class RateLimitGuard:
    """One request that is being counted: its answer waits for the count, and is a 429 if there were too many."""

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
        """Find out whose request it is and have it counted; False when it has been refused already."""
        subject = self._foreknown(credential, policy)
        if subject is None:  # only the database can tell whose it is
            await _identify(credential, self._context)
            subject = self._found(policy)
        known = self._limiter.refusal(policy, subject)
        if known is not None:
            await self._refuse(known)
            return False
        self._counted = policy, subject
        self._counting = self._limiter.count(policy, subject)
        await _identify(credential, self._context)
        return True

    def _foreknown(self, credential: Credential | None, policy: RateLimitPolicy) -> str | None:
        """Whose request it is by what can be told without asking."""
        by_caller = self._limiter.counts_by_caller(policy)
        if by_caller and credential is not None:
            return credential.subject
        return self._limiter.by_address(policy, self._context.address)

    def _found(self, policy: RateLimitPolicy) -> str:
        if self._context.caller is ANONYMOUS:
            return self._limiter.by_address(policy, self._context.address)
        if isinstance(self._context.caller, KeyHolder) and self._context.caller.is_public:
            # All visitors of a page have the same key: one of them must not use it up for the others.
            return f"{self._context.caller_name}:{network_of(self._context.address)}"
        return self._context.caller_name

    async def is_counted(self) -> bool:
        """Wait for the count; False when the request has been refused."""
        assert self._counting is not None
        standing = await self._counting
        if standing is None:
            return True
        if not standing.is_admitted:
            await self._refuse(standing)
            return False
        self._context.headers.update(standing.headers())
        return True

    async def charge(self, requests: int) -> None:
        """Count more requests for this one: a quarter of the quota at most, so that it can be asked at all.

        Raises:
            RateLimitedError: they are not all within the quota.
        """
        assert self._counted is not None
        policy, subject = self._counted
        requests = min(requests, policy.quota // _MOST_SHARE)
        countings = [self._limiter.count(policy, subject) for _ in range(requests)]
        for counting in filter(None, (self._counting, *countings)):
            self._counting = counting  # by which the answer is sent, or replaced by a 429
            standing = await counting
            if standing is not None and not standing.is_admitted:
                raise RateLimitedError(retry_after=standing.seconds)

    async def send(self, message: Message) -> None:
        """Hold the beginning of the answer until the count is known."""
        starts = message["type"] == "http.response.start"
        if self._is_refused or (starts and not await self.is_counted()):
            return
        await self._send(message)

    async def through(self, answering: Awaitable[None]) -> None:
        """Let the application answer; what it fails with is answered outside, and has the headers as well."""
        try:
            await answering
        except Exception:
            if self._is_refused or not await self.is_counted():
                return
            raise

    async def _refuse(self, standing: Standing) -> None:
        self._is_refused = True
        self._context.headers.update(standing.headers())
        response = answer(Request(self._scope), RateLimitedError(retry_after=standing.seconds))
        await response(self._scope, self._receive, self._send)


def _read(app: AppState, scope: Scope, context: RequestContext) -> Credential | None:
    """What the request carries; none when it is not to be taken, which the request context then says."""
    try:
        return app.credentials.read(Headers(scope=scope))
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
    """Before a write that has no line in the audit log yet is answered, it gets one."""

    async def sending(message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and scope["method"] not in _READING and message["status"] < _ERRORS_FROM:
            context: RequestContext = scope["state"]["context"]
            if context.needs_audit:
                await audit_trail.note_done_apart(app, Request(scope))
        await send(message)

    return sending
