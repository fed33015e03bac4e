"""Carrying out one effect, whatever it is: claim it, ask the vendor, and keep what came of it.

Everything that is the same for all of them is here. What a vendor is asked, and how, is the effect's own.
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
from db.repositories import effects
from db.repositories.effects import Claimed, NoRoomError, NotDueError
from domain.effects import (
    PORT_OF,
    PROFILES,
    EffectRef,
    EffectState,
    LeaseLostError,
    ObsoleteError,
    VendorError,
)
from runtime.json import from_json
from runtime.metrics import EFFECT_SECONDS, EFFECTS
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError

_log = structlog.get_logger()

_PATIENCE: Final = timedelta(seconds=10)
_LEASE: Final = timedelta(seconds=30)
_LEASE_LOST: Final = "lease_lost"
_AFTER_A_LOST_LEASE: Final = timedelta(seconds=1)
_WAITS_FOR_ROOM: Final = (0.05, 0.15, 0.3, 0.5)
"""Seconds."""
_NOTHING_TO_DO: Final = "nothing_to_do"
_BROKEN: Final = "internal_error"
_AFTER_OUR_FAULT: Final = timedelta(seconds=30)
_JITTER: Final = 0.1
_EXPECTED: Final = ApplicationErrorCategory.BENIGN
"""A vendor that fails is no fault of ours: the record says so, and the log without a trace."""


@dataclass(frozen=True, slots=True)
class Done:
    """An effect that was carried out."""

    vendor_ref: str | None = None
    write: Callable[[AsyncConnection], Awaitable[None]] | None = None
    """What else is to be stored, in the transaction that ends the effect."""


Perform = Callable[[Claimed, Call], Awaitable[Done]]
NoteUndone = Callable[[AsyncConnection, Claimed, EffectState, str], Awaitable[None]]
"""Stores what else follows from an end that is not `done` (`failed`, `obsolete`), and from its code."""


class EffectRunner:
    """Runs attempts at effects, each between a claim and an end that are committed."""

    def __init__(self, engine: AsyncEngine, secrets: Secrets, *, lease: timedelta = _LEASE) -> None:
        self._engine = engine
        self._secrets = secrets
        self._lease = lease

    async def run(self, ref: EffectRef, perform: Perform, note_undone: NoteUndone | None = None) -> str:
        """One attempt; the state that it leaves the effect in.

        `perform` is asked to do it, or to find that it is done: an attempt before this one may have been carried
        out without our hearing of it. It raises `VendorError` when it could not be done, and `ObsoleteError` when
        there is nothing to do. `note_undone` is called in the transaction that ends the effect without its being
        done.

        Raises:
            ApplicationError: it could not be done. Not retried when that is for good; else after a wait that the
                error names.
        """
        try:
            async with _alive():
                return await self._run(ref, perform, note_undone)
        except (ApplicationError, asyncio.CancelledError):
            raise
        except NotDueError as error:
            raise _again("not_due", error.wait) from None
        except Exception as error:
            # Where we write, and so ours to mend. Not with its text: Temporal keeps what an activity fails with.
            _tell_broken(str(ref.effect_id), error)
            raise _again(_BROKEN, _AFTER_OUR_FAULT) from None

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
            _tell_lost(ref, claimed)
            raise _again(_LEASE_LOST, _AFTER_A_LOST_LEASE) from None
        finally:
            EFFECT_SECONDS.labels(claimed.vendor, claimed.kind).observe(monotonic() - started)
        return await self._end(ref, claimed, EffectState.DONE, done=done)

    async def _claim(self, ref: EffectRef) -> Claimed | None:
        """Begin an attempt, as soon as there is room; none when there is nothing to attempt, or no room so far."""
        for pause in _WAITS_FOR_ROOM:
            try:
                async with autocommit(self._engine) as conn:
                    return await effects.claim(conn, ref.business_id, ref, lasts=self._lease)
            except NoRoomError:
                await asyncio.sleep(pause)
        async with autocommit(self._engine) as conn:
            await effects.requeue(conn, ref.business_id, ref)
        return None

    async def _attempt(self, ref: EffectRef, claimed: Claimed, perform: Perform, asked_at: float) -> Done:
        """Carry it out under the lease that was claimed; what is not written down when that is lost, never is."""
        account, attempts = self._account(claimed), claimed.attempts
        async with lease_kept(self._engine, ref, attempts, self._lease, asked_at=asked_at) as lease:
            call = Call(account, claimed.key, attempts, claimed.first_attempt_at, lease.confirm)
            return await self._ask(claimed, perform, call)

    async def _ask(self, claimed: Claimed, perform: Perform, call: Call) -> Done:
        timeout = PROFILES[PORT_OF[claimed.vendor]].timeout.total_seconds()
        try:
            async with asyncio.timeout(timeout) as limit:
                return await perform(claimed, call)
        except TimeoutError:  # the database's own, too
            raise VendorError("timeout" if limit.expired() else _BROKEN) from None
        except httpx.HTTPError as error:  # an adapter's own words are better, but nothing may be lost
            raise VendorError(type(error).__name__) from None
        except (VendorError, ObsoleteError, LeaseLostError):
            raise
        except Exception as error:  # a mistake of ours, or the database is away
            _tell_broken(str(claimed.id), error)
            raise VendorError(_BROKEN) from None

    def _account(self, claimed: Claimed) -> Account:
        if not claimed.has_target:
            raise VendorError("not_configured", permanent=True)
        secrets = self.decrypt(claimed.secrets_encrypted)
        return Account(settings=claimed.settings, secrets=secrets, integration_id=claimed.target_id)

    def decrypt(self, encrypted: str | None) -> dict[str, str]:
        """The secrets of an integration.

        Raises:
            VendorError: no key of ours opens them.
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
            is_ours = await effects.finish(
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
        profile = PROFILES[PORT_OF[claimed.vendor]]
        wait = None if error.permanent else profile.wait_after(claimed.tries, error.retry_after)
        if wait is None:
            undone = _undone(note_undone, claimed, EffectState.FAILED, error.code)
            await self._end(ref, claimed, EffectState.FAILED, done=undone, error=error.code)
            told = {"effect_id": str(ref.effect_id), "vendor": claimed.vendor, "kind": claimed.kind}
            _log.warning("effect_failed", **told, error=error.code, attempt=claimed.tries)
            raise ApplicationError(error.code, type=error.code, non_retryable=True, category=_EXPECTED) from None
        wait = _spread(wait)
        await self._end(ref, claimed, EffectState.RETRYING, error=error.code, wait=wait)
        raise _again(error.code, wait) from None


def _tell_lost(ref: EffectRef, claimed: Claimed) -> None:
    """Say that this attempt stopped acting. The next one looks for what it may have done."""
    told = {"vendor": claimed.vendor, "kind": claimed.kind, "attempt": claimed.attempts}
    _log.warning("effect_lease_lost", effect_id=str(ref.effect_id), **told)
    EFFECTS.labels(claimed.vendor, claimed.kind, _LEASE_LOST).inc()


def _again(code: str, wait: timedelta) -> ApplicationError:
    """What has Temporal make another attempt after a wait."""
    return ApplicationError(code, type=code, next_retry_delay=wait, category=_EXPECTED)


def _tell_broken(effect_id: str, error: Exception) -> None:
    """Say in the log what broke and where. Not its text, which may quote people's data."""
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
    """Give up an effect whose every attempt ended with its worker: it may be what kills them.

    Raises:
        VendorError: it was begun more often than its profile allows.
    """
    before = claimed.tries - 1
    if before > 0 and PROFILES[PORT_OF[claimed.vendor]].wait_after(before) is None:
        raise VendorError("gave_up", permanent=True)


def _spread(wait: timedelta) -> timedelta:
    """A little longer, each by another share: those who failed together do not all come back together."""
    return wait * (1 + random.random() * _JITTER)  # noqa: S311


@asynccontextmanager
async def _alive() -> AsyncIterator[None]:
    """Tell Temporal that this attempt goes on: one whose worker was killed begins again within seconds."""
    patience = activity.info().heartbeat_timeout or _PATIENCE

    async def beat() -> None:
        while True:  # most attempts are over before the first beat, which would be one more call of Temporal's
            await asyncio.sleep(patience.total_seconds() / 3)
            activity.heartbeat()

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
