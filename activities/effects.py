"""Attempts at effects: claim the effect, ask the vendor, and store what came of it.

What is the same for all effects is here. What a vendor is asked, and how, belongs to the activity of each kind.
"""

import asyncio
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Final

import httpx
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.effect_leases import lease_kept
from activities.vendor_calls import Account, Call
from db.engine import autocommit
from db.repositories import effect_attempts
from db.repositories.effect_attempts import Claimed, NoRoomError, NotDueError
from domain.effect_retries import (
    Interruption,
    is_exhausted,
    profile_of,
    wait_after_failure,
    wait_after_interruption,
)
from domain.effects import EffectRef, EffectState, LeaseLostError, ObsoleteError, VendorError
from runtime.json import from_json
from runtime.metrics import EFFECT_SECONDS, EFFECTS
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError

_log = structlog.get_logger()

_HEARTBEAT_TIMEOUT: Final = timedelta(seconds=10)
"""For an activity that was started without one."""
_LEASE: Final = timedelta(seconds=30)
_WAITS_FOR_ROOM: Final = (0.05, 0.15, 0.3, 0.5)
"""Seconds within one call of the activity; then the effect is handed over again."""
_NOTHING_TO_DO: Final = "nothing_to_do"
_EXPECTED: Final = ApplicationErrorCategory.BENIGN
"""A vendor that fails is not our fault: the SDK logs no trace of it."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an effect that was carried out."""

    vendor_ref: str | None = None
    write: Callable[[AsyncConnection], Awaitable[None]] | None = None
    """Stores what else follows, in the transaction that ends the effect."""


Perform = Callable[[Claimed, Call], Awaitable[Done]]
NoteUndone = Callable[[AsyncConnection, Claimed, EffectState, str], Awaitable[None]]
"""Stores what else follows from an end that is not `done` (`failed` or `obsolete`), and from its code."""


class EffectRunner:
    """Runs attempts at effects. The claim is committed before the attempt, and its end after it."""

    def __init__(self, engine: AsyncEngine, secrets: Secrets, *, lease: timedelta = _LEASE) -> None:
        self._engine = engine
        self._secrets = secrets
        self._lease = lease

    async def run(self, ref: EffectRef, perform: Perform, note_undone: NoteUndone | None = None) -> str:
        """Make one attempt; the state that it leaves the effect in.

        `perform` carries the effect out, or finds that it is done: an earlier attempt may have succeeded without
        our hearing of it. It raises `VendorError` when the vendor fails, and `ObsoleteError` when there is nothing
        to do. `note_undone` is called in the transaction that ends the effect undone.

        Raises:
            ApplicationError: the effect is not done. Temporal tries again after the wait that the error names, or
                never when the effect is given up.
        """
        try:
            async with _alive():
                return await self._run(ref, perform, note_undone)
        except (ApplicationError, asyncio.CancelledError):
            raise
        except NotDueError as error:
            raise _interrupted(Interruption.NOT_DUE, left=error.left) from None
        except Exception as error:
            # Our own fault. Its text stays here: Temporal keeps what an activity fails with.
            _log_broken(str(ref.effect_id), error)
            raise _interrupted(Interruption.INTERNAL_ERROR) from None

    async def _run(self, ref: EffectRef, perform: Perform, note_undone: NoteUndone | None) -> str:
        asked_at = monotonic()
        claimed = await self._claim(ref)
        if claimed is None:
            return _NOTHING_TO_DO
        started = monotonic()
        try:
            _check_tries(claimed)
            done = await self._attempt(ref, claimed, perform, asked_at)
        except ObsoleteError as error:
            undone = _undone(note_undone, claimed, EffectState.OBSOLETE, error.reason)
            return await self._end(ref, claimed, EffectState.OBSOLETE, done=undone, error=error.reason)
        except VendorError as error:
            return await self._fail(ref, claimed, error, note_undone)
        except LeaseLostError:
            _log_lost(ref, claimed)
            raise _interrupted(Interruption.LEASE_LOST) from None
        finally:
            EFFECT_SECONDS.labels(claimed.vendor, claimed.kind).observe(monotonic() - started)
        return await self._end(ref, claimed, EffectState.DONE, done=done)

    async def _claim(self, ref: EffectRef) -> Claimed | None:
        """Begin an attempt as soon as there is room; none when there is nothing to attempt, or no room in time."""
        for pause in _WAITS_FOR_ROOM:
            try:
                async with autocommit(self._engine) as conn:
                    return await effect_attempts.claim(conn, ref.business_id, ref, lasts=self._lease)
            except NoRoomError:
                await asyncio.sleep(pause)
        async with autocommit(self._engine) as conn:
            wait = wait_after_interruption(Interruption.NO_ROOM)
            await effect_attempts.requeue(conn, ref.business_id, ref, wait=wait)
        return None

    async def _attempt(self, ref: EffectRef, claimed: Claimed, perform: Perform, asked_at: float) -> Done:
        """Carry the effect out under the claimed lease. Nothing is stored once the lease is lost."""
        account, attempts = self._account(claimed), claimed.attempts
        async with lease_kept(self._engine, ref, attempts, self._lease, asked_at=asked_at) as lease:
            call = Call(account, claimed.key, attempts, claimed.first_attempt_at, lease.confirm)
            return await self._ask(claimed, perform, call)

    async def _ask(self, claimed: Claimed, perform: Perform, call: Call) -> Done:
        timeout = profile_of(claimed.vendor).timeout.total_seconds()
        try:
            async with asyncio.timeout(timeout) as limit:
                return await perform(claimed, call)
        except TimeoutError:  # the database's own, too
            raise VendorError("timeout" if limit.expired() else Interruption.INTERNAL_ERROR) from None
        except httpx.HTTPError as error:  # adapters name their errors; this is for what one has overlooked
            raise VendorError(type(error).__name__) from None
        except (VendorError, ObsoleteError, LeaseLostError):
            raise
        except Exception as error:  # a bug of ours, or PostgreSQL is away
            _log_broken(str(claimed.id), error)
            raise VendorError(Interruption.INTERNAL_ERROR) from None

    def _account(self, claimed: Claimed) -> Account:
        if not claimed.has_target:
            raise VendorError("not_configured", permanent=True)
        secrets = self.decrypt(claimed.secrets_encrypted)
        return Account(settings=claimed.settings, secrets=secrets, integration_id=claimed.target_id)

    def decrypt(self, encrypted: str | None) -> dict[str, str]:
        """The secrets of an integration.

        Raises:
            VendorError: the configured key does not decrypt them.
        """
        if encrypted is None:
            return {}
        try:
            opened: dict[str, str] = from_json(self._secrets.decrypt(encrypted))
        except (SecretsKeyMissingError, SecretUnreadableError):
            raise VendorError("secrets_unreadable", permanent=True) from None
        return opened

    async def _end(
        self,
        ref: EffectRef,
        claimed: Claimed,
        state: EffectState,
        *,
        done: Done | None = None,
        error: str | None = None,
        wait: timedelta | None = None,
    ) -> str:
        done = done or Done()
        async with self._engine.begin() as conn:
            is_ours = await effect_attempts.finish(
                conn,
                ref.business_id,
                ref,
                state,
                attempts=claimed.attempts,
                error=error,
                vendor_ref=done.vendor_ref,
                wait=wait,
            )
            if is_ours and done.write is not None:
                await done.write(conn)
        EFFECTS.labels(claimed.vendor, claimed.kind, state).inc()
        return state

    async def _fail(
        self, ref: EffectRef, claimed: Claimed, error: VendorError, note_undone: NoteUndone | None
    ) -> str:
        wait = wait_after_failure(
            claimed.vendor,
            claimed.tries,
            permanent=error.permanent,
            asked_for=error.retry_after,
            jitter=random.random(),  # noqa: S311
        )
        if wait is None:
            undone = _undone(note_undone, claimed, EffectState.FAILED, error.code)
            await self._end(ref, claimed, EffectState.FAILED, done=undone, error=error.code)
            log_fields = {"effect_id": str(ref.effect_id), "vendor": claimed.vendor, "kind": claimed.kind}
            _log.warning("effect_failed", **log_fields, error=error.code, attempt=claimed.tries)
            raise ApplicationError(error.code, type=error.code, non_retryable=True, category=_EXPECTED) from None
        await self._end(ref, claimed, EffectState.RETRYING, error=error.code, wait=wait)
        raise _again(error.code, wait) from None


def _log_lost(ref: EffectRef, claimed: Claimed) -> None:
    """Log and count that this attempt stopped. The next one looks for what it may have done."""
    log_fields = {"vendor": claimed.vendor, "kind": claimed.kind, "attempt": claimed.attempts}
    _log.warning("effect_lease_lost", effect_id=str(ref.effect_id), **log_fields)
    EFFECTS.labels(claimed.vendor, claimed.kind, Interruption.LEASE_LOST).inc()


def _interrupted(interruption: Interruption, *, left: timedelta | None = None) -> ApplicationError:
    return _again(interruption, wait_after_interruption(interruption, left=left))


def _again(code: str, wait: timedelta) -> ApplicationError:
    """The error that has Temporal make another attempt after `wait`."""
    return ApplicationError(code, type=code, next_retry_delay=wait, category=_EXPECTED)


def _log_broken(effect_id: str, error: Exception) -> None:
    """Log what broke and where, without the error's text, which may quote people's data."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename}:{last.lineno} {last.name}"
    _log.error("effect_broke", effect_id=effect_id, error=type(error).__name__, where=where)


def _undone(note: NoteUndone | None, claimed: Claimed, state: EffectState, error: str) -> Done | None:
    if note is None:
        return None

    async def write(conn: AsyncConnection) -> None:
        await note(conn, claimed, state, error)

    return Done(write=write)


def _check_tries(claimed: Claimed) -> None:
    """Give up an effect whose every attempt ended with its worker: the effect may be what kills them.

    Raises:
        VendorError: the attempts before this one have exhausted the profile.
    """
    if is_exhausted(claimed.vendor, claimed.tries - 1):
        raise VendorError("gave_up", permanent=True)


@asynccontextmanager
async def _alive() -> AsyncIterator[None]:
    """Send heartbeats, so that Temporal makes another attempt within seconds when the worker is killed."""
    timeout = activity.info().heartbeat_timeout or _HEARTBEAT_TIMEOUT

    async def beat() -> None:
        while True:  # sleeps first: most attempts end before the first heartbeat, and save that call
            await asyncio.sleep(timeout.total_seconds() / 3)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
