"""Rate limits, counted in PostgreSQL for all processes together.

Counting costs a request one statement, which runs beside the request's own work. Requests that arrive while one
statement runs share the next. If the database does not answer in time, requests pass uncounted: limits protect the
service and must not stop it.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.addresses import network_of
from db.engine import autocommit, create_engine
from db.repositories import rate_limits
from db.repositories.rate_limits import QuotaRequest, QuotaUsage
from runtime.settings import Settings

_log = structlog.get_logger()

WINDOW: Final = 60
"""Seconds."""
_SIGN_IN_SHARE: Final = 6
"""Divisor for sign-in requests: ten a minute where other requests have sixty."""
_HOOKS_SHARE: Final = 100
"""Factor for vendors' calls: they call for all their customers from a few addresses."""
_HOOKS: Final = "/v1/hooks/"
_SERVICE: Final = "service"
_SIGN_IN: Final = frozenset(
    f"/v1/auth/{way}" for way in ("login", "register", "verify-email", "forgot-password", "reset-password")
)
_TICKS: Final = 25
_TICK_SECONDS: Final = 0.01
"""The database has a quarter of a second, counted in turns of the event loop. A slow process waits longer: else a
burst of requests would disable the limits that should stop it."""
_PAUSE_SECONDS: Final = 1.0
_COMPLAIN_EVERY_SECONDS: Final = 60.0
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """A quota of requests in each window of sixty seconds."""

    name: str
    quota: int


@dataclass(frozen=True, slots=True)
class QuotaStatus:
    """The result of counting one request."""

    policy: RateLimitPolicy
    is_admitted: bool
    left: int
    """Requests left at this moment."""
    seconds: int
    """Until the window ends or, for a refused request, until the next would be admitted."""

    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10)."""
        name, quota = self.policy.name, self.policy.quota
        return {
            "RateLimit-Policy": f'"{name}";q={quota};w={WINDOW}',
            "RateLimit": f'"{name}";r={self.left};t={self.seconds}',
        }


class Limiter:
    """The limits of one process: one statement at a time, and a memory of who has used up their quota."""

    def __init__(self, settings: Settings) -> None:
        self._engine = create_engine(
            # A connection of its own: with an exhausted pool all requests would pass uncounted, or wait.
            settings.model_copy(update={"database_pool_max": 1}),
            application_name="holdfast-limits",
        )
        quota = settings.rate_limit_per_minute
        self._is_on = quota > 0
        self._default = RateLimitPolicy("default", quota)
        self._sign_in = RateLimitPolicy("sign_in", max(1, quota // _SIGN_IN_SHARE))
        self._hooks = RateLimitPolicy("hooks", quota * _HOOKS_SHARE)
        self._counter = _Counter(self._engine)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start counting; call it in a running loop."""
        if self._is_on:
            self._task = asyncio.create_task(self._counter.run())

    async def stop(self) -> None:
        """Stop counting, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._engine.dispose()

    def policy_for(self, method: str, path: str) -> RateLimitPolicy | None:
        """The policy for such a request; none if limits are off."""
        if not self._is_on:
            return None
        if path.startswith(_HOOKS):
            return self._hooks
        return self._sign_in if method == "POST" and path in _SIGN_IN else self._default

    def by_address(self, policy: RateLimitPolicy, address: str) -> str:
        """The subject of a caller who is known by address only."""
        kind = "address" if self.counts_by_caller(policy) else policy.name
        return f"{kind}:{network_of(address)}"

    def counts_by_caller(self, policy: RateLimitPolicy) -> bool:
        """Whether authenticated callers are counted by identity rather than by address."""
        return policy.name in {self._default.name, _SERVICE}

    def policy_of_service(self, quota: int | None) -> RateLimitPolicy | None:
        """The policy of a service that calls for itself: its own quota, or that of every caller."""
        if quota is None or not self._is_on:
            return self.policy_for("POST", "")
        return RateLimitPolicy(_SERVICE, quota) if quota else None

    def refusal(self, policy: RateLimitPolicy, subject: str) -> QuotaStatus | None:
        """The refusal of a subject that has used up its quota, from memory; none: it has to be counted."""
        return self._counter.refusal(policy, subject)

    def count(self, policy: RateLimitPolicy, subject: str) -> "asyncio.Future[QuotaStatus | None]":
        """Count one request; the future gets its status, or none if the database does not answer in time."""
        return self._counter.count(policy, subject)


@dataclass(slots=True)
class _Waiting:
    """The uncounted requests of one subject."""

    policy: RateLimitPolicy
    futures: list["asyncio.Future[QuotaStatus | None]"]


class _Counter:
    """Collects requests while a statement runs, and counts them all in the next."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: dict[str, _Waiting] = {}
        self._counting: dict[str, _Waiting] = {}
        self._is_needed = asyncio.Event()
        self._tick: asyncio.TimerHandle | None = None
        self._ticks_left = 0
        self._is_late = False
        self._pauses_until = 0.0
        self._complains_at = 0.0
        self._refused_until: dict[str, float] = {}

    def refusal(self, policy: RateLimitPolicy, subject: str) -> QuotaStatus | None:
        until = self._refused_until.get(subject)
        if until is None:
            return None
        seconds = until - asyncio.get_running_loop().time()
        if seconds <= 0:
            del self._refused_until[subject]
            return None
        return QuotaStatus(policy, is_admitted=False, left=0, seconds=math.ceil(seconds))

    def count(self, policy: RateLimitPolicy, subject: str) -> "asyncio.Future[QuotaStatus | None]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[QuotaStatus | None] = loop.create_future()
        if self._is_late or loop.time() < self._pauses_until:
            future.set_result(None)
            return future
        self._waiting.setdefault(subject, _Waiting(policy, [])).futures.append(future)
        self._is_needed.set()
        self._watch()
        return future

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            try:
                async with autocommit(self._engine) as conn:
                    await self._count_on(conn)
            except Exception as error:  # requests pass, and the next second tries again
                self._complain(type(error).__name__)
                self._pauses_until = asyncio.get_running_loop().time() + _PAUSE_SECONDS
                self._let_pass()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _count_on(self, conn: AsyncConnection) -> None:
        loop = asyncio.get_running_loop()
        self._is_late = False
        while True:
            await self._is_needed.wait()
            self._is_needed.clear()
            self._counting, self._waiting = self._waiting, {}
            asked = [
                QuotaRequest(subject, len(w.futures), w.policy.quota) for subject, w in self._counting.items()
            ]
            for counted in await rate_limits.count(conn, asked):
                self._resolve(counted, loop.time())
            self._counting = {}
            self._is_late = False
            self._watch_anew()

    def _resolve(self, counted: QuotaUsage, now: float) -> None:
        waiting = self._counting[counted.subject]
        wait = seconds_until_next(waiting.policy.quota, counted)
        for place, future in enumerate(waiting.futures):
            if not future.done():
                future.set_result(quota_status_of(waiting.policy, counted, place))
        if wait > 0:
            self._remember_refused(counted.subject, now + wait)

    def _remember_refused(self, subject: str, until: float) -> None:
        if len(self._refused_until) >= _REMEMBERED:
            self._refused_until.clear()  # the database knows them all
        self._refused_until[subject] = until

    # --- when the database does not answer ----------------------------------------------------------------

    def _watch(self) -> None:
        if self._tick is None:
            self._ticks_left = _TICKS
            self._wait_a_tick()

    def _wait_a_tick(self) -> None:
        self._ticks_left -= 1
        on_time = self._wait_a_tick if self._ticks_left else self._give_up
        self._tick = asyncio.get_running_loop().call_later(_TICK_SECONDS, on_time)

    def _watch_anew(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if self._waiting:
            self._watch()

    def _give_up(self) -> None:
        self._is_late = True
        self._complain("slow")
        self._let_pass()

    def _let_pass(self) -> None:
        """Let everyone who waits pass uncounted."""
        for waiting in (*self._counting.values(), *self._waiting.values()):
            for future in waiting.futures:
                if not future.done():
                    future.set_result(None)
        self._waiting = {}
        self._is_needed.clear()
        self._watch_anew()

    def _complain(self, reason: str) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._complains_at:
            self._complains_at = now + _COMPLAIN_EVERY_SECONDS
            _log.warning("requests_not_counted", reason=reason)


def quota_status_of(policy: RateLimitPolicy, counted: QuotaUsage, place: int) -> QuotaStatus:
    """The status of the request at `place` (from 0) among those counted together."""
    if place >= counted.granted:
        wait = math.ceil(seconds_until_next(policy.quota, counted))
        return QuotaStatus(policy, is_admitted=False, left=0, seconds=max(wait, 1))
    after_it = counted.granted - place - 1
    left = _room(policy.quota, counted) + after_it
    return QuotaStatus(policy, is_admitted=True, left=left, seconds=math.ceil(WINDOW - counted.elapsed))


def seconds_until_next(quota: int, counted: QuotaUsage) -> float:
    """Seconds until one more request is within the quota; 0: at once."""
    if _room(quota, counted) > 0:
        return 0.0
    if counted.requests < quota:
        # The previous window counts before * (1 - fraction elapsed): wait until that leaves room for one.
        return (1 - (quota - counted.requests - 1) / counted.before) * WINDOW - counted.elapsed
    # Not in this window. In the next, this one is the previous window.
    return WINDOW - counted.elapsed + (1 - (quota - 1) / counted.requests) * WINDOW


def _room(quota: int, counted: QuotaUsage) -> int:
    used = counted.before * (1 - counted.elapsed / WINDOW) + counted.requests
    return max(0, math.floor(quota - used))
