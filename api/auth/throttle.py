"""Throttling of password guesses, and of messages that clients cause to be sent to others.

An attempt is counted before the password is checked, by account and by client address, and given back on success:
concurrent guesses gain nothing. Unknown accounts are throttled like known ones, since a difference would reveal
them.
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
    """A password attempt that has been counted."""

    by_address: CountedAttempt
    by_account: CountedAttempt


class Throttle:
    """The limits of the client of this request."""

    def __init__(self, app: AppStateDep, context: RequestContextDep) -> None:
        self._engine = app.engine
        # Keyed: a plain hash of an address could be reversed by trying all addresses.
        self._secret = app.tokens.keys.derive("login-attempts")
        self._client = network_of(context.address)

    async def take(self, account: str) -> Attempt:
        """Count an attempt at this account: an e-mail address, or another name of the account.

        Raises:
            TooManyAttemptsError: too many have failed; it says when to retry. Nothing is counted.
        """
        async with self._engine.begin() as conn:
            by_address = await self._count(conn, self._subject("address", self._client), FREE_ATTEMPTS_OF_ADDRESS)
            by_account = await self._count(conn, self._of_account(account), FREE_ATTEMPTS_OF_ACCOUNT)
        return Attempt(by_address, by_account)

    async def succeeded(self, conn: AsyncConnection, attempt: Attempt) -> None:
        """The password was right: reset the account, and give the attempt back to the address."""
        await login_attempts.uncount_attempt(conn, attempt.by_address)
        await login_attempts.clear(conn, attempt.by_account.subject)

    async def forget(self, conn: AsyncConnection, account: str) -> None:
        """Reset the account: its owner has proved their identity in another way."""
        await login_attempts.clear(conn, self._of_account(account))

    async def count_message(self) -> None:
        """Count a message that this client causes to be sent.

        Raises:
            TooManyAttemptsError: the client has reached its hourly limit.
        """
        subject = self._subject("asked-by", self._client)
        async with self._engine.begin() as conn:
            if not await login_attempts.count_in_hour(conn, subject, limit=MESSAGES_AN_HOUR_FOR_CLIENT):
                raise await _too_many(conn, subject)

    async def may_write_to(self, conn: AsyncConnection, kind: RequestKind, email: str) -> bool:
        """Count a message of this kind to this address; false at the address's hourly limit."""
        subject = self._subject("asked-for", f"{kind} {email.lower()}")
        return await login_attempts.count_in_hour(conn, subject, limit=MESSAGES_AN_HOUR_FOR_ADDRESSEE)

    async def _count(self, conn: AsyncConnection, subject: str, free: int) -> CountedAttempt:
        counted = await login_attempts.count_attempt(conn, subject, free=free)
        if counted is None:
            raise await _too_many(conn, subject)
        return counted

    def _of_account(self, account: str) -> str:
        return self._subject("account", account.lower())

    def _subject(self, what: str, whose: str) -> str:
        return f"{what}:{hmac.new(self._secret, whose.encode(), hashlib.sha256).hexdigest()}"


async def _too_many(conn: AsyncConnection, subject: str) -> TooManyAttemptsError:
    return TooManyAttemptsError(retry_after=await login_attempts.seconds_to_wait(conn, subject))


ThrottleDep = Annotated[Throttle, Depends()]
