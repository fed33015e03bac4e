"""Rate limits: how many requests somebody has, counted in PostgreSQL for all processes together.

Counting costs a request nothing but the wait for one statement, which runs beside what the request needs anyway.
All requests that wait while one statement is under way share the next one. A database that does not answer in time
lets everybody pass: limits protect the service, they must not be what stops it.
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
"""So much less often somebody may try to sign in: ten times a minute, where other requests are sixty."""
_HOOKS_SHARE: Final = 100
"""So much more often a vendor may call: it calls for all its customers from a few addresses."""
_HOOKS: Final = "/v1/hooks/"
_SIGN_IN: Final = frozenset(
    f"/v1/auth/{way}" for way in ("login", "register", "verify-email", "forgot-password", "reset-password")
)
_TICKS: Final = 25
_TICK_SECONDS: Final = 0.01
"""The database has a quarter of a second. A process that is itself behind gives it as many turns of its loop: else
a burst of requests would switch off what it is to be stopped by."""
_PAUSE_SECONDS: Final = 1.0
_COMPLAIN_EVERY_SECONDS: Final = 60.0
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class RateLimitPolicy:
    """So many requests in each window of sixty seconds."""

    name: str
    quota: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How one request stands to its policy."""

    policy: RateLimitPolicy
    is_admitted: bool
    left: int
    """How many more there may be at this moment."""
    seconds: int
    """Until the minute ends; of one that is refused, until the next would be admitted."""

    def headers(self) -> dict[str, str]:
        """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10)."""
        name, quota = self.policy.name, self.policy.quota
        return {
            "RateLimit-Policy": f'"{name}";q={quota};w={WINDOW}',
            "RateLimit": f'"{name}";r={self.left};t={self.seconds}',
        }


class Limiter:
    """The limits of one process: asks the database once at a time, and remembers who has used up their quota."""

    def __init__(self, settings: Settings) -> None:
        self._engine = create_engine(
            # A connection of its own: a pool that is used up would let everybody pass, or stand in their way.
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
        """Begin to count; call it in a running loop."""
        if self._is_on:
            self._task = asyncio.create_task(self._counter.run())

    async def stop(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._engine.dispose()

    def policy_for(self, method: str, path: str) -> RateLimitPolicy | None:
        """What counts for such a request; none when nothing is counted."""
        if not self._is_on:
            return None
        if path.startswith(_HOOKS):
            return self._hooks
        return self._sign_in if method == "POST" and path in _SIGN_IN else self._default

    def by_address(self, policy: RateLimitPolicy, address: str) -> str:
        """The subject of somebody of whom nothing but the address is sure."""
        kind = "address" if policy == self._default else policy.name
        return f"{kind}:{network_of(address)}"

    def counts_by_caller(self, policy: RateLimitPolicy) -> bool:
        """Whether a caller who has proved who they are is counted as such, wherever they are."""
        return policy == self._default

    def refusal(self, policy: RateLimitPolicy, subject: str) -> Standing | None:
        """That somebody is known to have used up their requests. Asks nobody."""
        return self._counter.refusal(policy, subject)

    def count(self, policy: RateLimitPolicy, subject: str) -> "asyncio.Future[Standing | None]":
        """Count one request; the future has its standing soon, or none when the database cannot say."""
        return self._counter.count(policy, subject)


@dataclass(slots=True)
class _Waiting:
    """The requests of one subject that are not counted yet."""

    policy: RateLimitPolicy
    futures: list["asyncio.Future[Standing | None]"]


class _Counter:
    """Collects what is to be counted while a statement runs, and counts it all in the next."""

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

    def refusal(self, policy: RateLimitPolicy, subject: str) -> Standing | None:
        until = self._refused_until.get(subject)
        if until is None:
            return None
        seconds = until - asyncio.get_running_loop().time()
        if seconds <= 0:
            del self._refused_until[subject]
            return None
        return Standing(policy, is_admitted=False, left=0, seconds=math.ceil(seconds))

    def count(self, policy: RateLimitPolicy, subject: str) -> "asyncio.Future[Standing | None]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Standing | None] = loop.create_future()
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
            except Exception as error:  # whatever it is, requests go on, and the next second tries again
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
                self._tell(counted, loop.time())
            self._counting = {}
            self._is_late = False
            self._watch_anew()

    def _tell(self, counted: QuotaUsage, now: float) -> None:
        waiting = self._counting[counted.subject]
        wait = seconds_until_next(waiting.policy.quota, counted)
        for place, future in enumerate(waiting.futures):
            if not future.done():
                future.set_result(standing_of(waiting.policy, counted, place))
        if wait > 0:
            self._remember_refused(counted.subject, now + wait)

    def _remember_refused(self, subject: str, until: float) -> None:
        if len(self._refused_until) >= _REMEMBERED:
            self._refused_until.clear()  # the database remembers them all
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
        """Everybody who waits goes on uncounted, or counted too late."""
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


def standing_of(policy: RateLimitPolicy, counted: QuotaUsage, place: int) -> Standing:
    """How the request at `place` (from 0) among those that were counted together stands."""
    if place >= counted.granted:
        wait = math.ceil(seconds_until_next(policy.quota, counted))
        return Standing(policy, is_admitted=False, left=0, seconds=max(wait, 1))
    after_it = counted.granted - place - 1
    left = _room(policy.quota, counted) + after_it
    return Standing(policy, is_admitted=True, left=left, seconds=math.ceil(WINDOW - counted.elapsed))


def seconds_until_next(quota: int, counted: QuotaUsage) -> float:
    """How long until one more request is within the quota; 0: at once."""
    if _room(quota, counted) > 0:
        return 0.0
    if counted.requests < quota:
        # Of the minute before counts before * (1 - fraction elapsed): until that leaves room for one.
        return (1 - (quota - counted.requests - 1) / counted.before) * WINDOW - counted.elapsed
    # Not in this minute. In the next it is this one of which counts what is left of it.
    return WINDOW - counted.elapsed + (1 - (quota - 1) / counted.requests) * WINDOW


def _room(quota: int, counted: QuotaUsage) -> int:
    used = counted.before * (1 - counted.elapsed / WINDOW) + counted.requests
    return max(0, math.floor(quota - used))
