"""Slowing down who guesses passwords, and who has messages sent to others.

A turn is taken before anything is looked at, by account and by client address, and given back on success: of
guesses that come at once no more get through than one after the other. Accounts that do not exist are slowed as
those that do, or the difference would tell.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncConnection

from api.addresses import network_of
from api.deps import AppStateDep
from api.request_context import RequestContextDep
from db.repositories import login_attempts
from db.repositories.login_attempts import CountedAttempt
from domain.accounts import (
    FREE_ATTEMPTS_OF_ACCOUNT,
    FREE_ATTEMPTS_OF_ADDRESS,
    MESSAGES_AN_HOUR_FOR_ADDRESSEE,
    MESSAGES_AN_HOUR_FOR_CLIENT,
    RequestKind,
)
from domain.errors import TooManyAttemptsError


@dataclass(frozen=True, slots=True)
class Attempt:
    """A password that is about to be tried."""

    by_address: CountedAttempt
    by_account: CountedAttempt


class Throttle:
    """What the client of this request may still try."""

    def __init__(self, app: AppStateDep, context: RequestContextDep) -> None:
        self._engine = app.engine
        # Keyed, since addresses are few enough to be found from a plain hash by trying them all.
        self._secret = app.tokens.keys.derive("login-attempts")
        self._client = network_of(context.address)

    async def take(self, account: str) -> Attempt:
        """A turn to try a password of this account: an e-mail address, or what else stands for one.

        Raises:
            TooManyAttemptsError: not yet; it says when. Nothing is counted then.
        """
        async with self._engine.begin() as conn:
            by_address = await self._turn(conn, self._subject("address", self._client), FREE_ATTEMPTS_OF_ADDRESS)
            by_account = await self._turn(conn, self._of_account(account), FREE_ATTEMPTS_OF_ACCOUNT)
        return Attempt(by_address, by_account)

    async def succeeded(self, conn: AsyncConnection, attempt: Attempt) -> None:
        """The password was right: the account starts anew, and the address has one failure less."""
        await login_attempts.undo_attempt(conn, attempt.by_address)
        await login_attempts.clear(conn, attempt.by_account.subject)

    async def forget(self, conn: AsyncConnection, account: str) -> None:
        """Let the account start anew: somebody has proved otherwise that it is theirs."""
        await login_attempts.clear(conn, self._of_account(account))

    async def ask(self) -> None:
        """Count a message that this client has sent to somebody.

        Raises:
            TooManyAttemptsError: there were enough of them in this hour.
        """
        subject = self._subject("asked-by", self._client)
        async with self._engine.begin() as conn:
            if not await login_attempts.count_in_hour(conn, subject, limit=MESSAGES_AN_HOUR_FOR_CLIENT):
                raise await _too_many(conn, subject)

    async def may_write_to(self, conn: AsyncConnection, kind: RequestKind, email: str) -> bool:
        """Count a message of this kind to this address; false when there were enough of them in this hour."""
        subject = self._subject("asked-for", f"{kind} {email.lower()}")
        return await login_attempts.count_in_hour(conn, subject, limit=MESSAGES_AN_HOUR_FOR_ADDRESSEE)

    async def _turn(self, conn: AsyncConnection, subject: str, free: int) -> CountedAttempt:
        turn = await login_attempts.begin_attempt(conn, subject, free=free)
        if turn is None:
            raise await _too_many(conn, subject)
        return turn

    def _of_account(self, account: str) -> str:
        return self._subject("account", account.lower())

    def _subject(self, what: str, whose: str) -> str:
        return f"{what}:{hmac.new(self._secret, whose.encode(), hashlib.sha256).hexdigest()}"


async def _too_many(conn: AsyncConnection, subject: str) -> TooManyAttemptsError:
    return TooManyAttemptsError(retry_after=await login_attempts.seconds_to_wait(conn, subject))


ThisThrottle = Annotated[Throttle, Depends()]
