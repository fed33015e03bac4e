"""Who makes a request, and its place in their quota: the same for every protocol."""

import asyncio
from typing import Final

from api.addresses import network_of
from api.identity.credentials import Credential
from api.limits import Limiter, QuotaStatus, RateLimitPolicy
from api.request_context import RequestContext
from domain.callers import ANONYMOUS, KeyHolder
from domain.errors import RateLimitedError, UnauthenticatedError

_MOST_SHARE: Final = 4

Counting = asyncio.Future[QuotaStatus | None]


async def identify(credential: Credential | None, context: RequestContext) -> None:
    """Look up the caller once; the context has them, or why their credential is refused."""
    if credential is None or context.caller is not ANONYMOUS or context.refusal is not None:
        return
    context.credential_ends_at = credential.ends_at
    try:
        context.caller = await credential.resolve()
    except UnauthenticatedError as refusal:
        context.refusal = refusal


class RequestCount:
    """One request that is counted while it is looked up who makes it."""

    def __init__(self, limiter: Limiter, context: RequestContext) -> None:
        self._limiter = limiter
        self._context = context
        self._counting: Counting | None = None
        self._counted: tuple[RateLimitPolicy, str] | None = None

    async def begin(self, credential: Credential | None, policy: RateLimitPolicy) -> RateLimitedError | None:
        """Identify the caller and start counting; the refusal, if it is known already."""
        subject = self._known_subject(credential, policy)
        if subject is None:  # only the database knows the caller
            await identify(credential, self._context)
            subject = self._subject(policy)
        known = self._limiter.refusal(policy, subject)
        if known is not None:
            return self._refused(known)
        self._counted = policy, subject
        self._counting = self._limiter.count(policy, subject)
        await identify(credential, self._context)
        return None

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

    async def refusal(self) -> RateLimitedError | None:
        """Wait for the count; the refusal of a request over the quota."""
        assert self._counting is not None
        status = await self._counting
        if status is None:
            return None
        if not status.is_admitted:
            return self._refused(status)
        self._context.headers.update(status.headers())
        return None

    def _refused(self, status: QuotaStatus) -> RateLimitedError:
        self._context.headers.update(status.headers())
        return RateLimitedError(retry_after=status.seconds)

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
            self._counting = counting  # decides whether the answer is sent or replaced by a refusal
            status = await counting
            if status is not None and not status.is_admitted:
                raise RateLimitedError(retry_after=status.seconds)
