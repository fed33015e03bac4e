"""Who a request is from, by `Authorization: Bearer …` with an access token, an API key or a manage token."""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Headers

from api.identity.tokens import AccessClaims, Tokens
from db.engine import autocommit
from db.repositories import api_keys, live_rights, sessions, stream_tickets
from domain.accounts import token_hash
from domain.callers import ANONYMOUS, Caller, CallerKind, Guest, KeyHolder, Scope
from domain.errors import UnauthenticatedError
from runtime.ids import new_token

KEY_MARK: Final = "hfk_"
PREFIX_LENGTH: Final = 12
"""Characters of an API key that are stored and shown: the mark and eight more."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a token tells without the database: whose requests to count, and how to look up the caller."""

    subject: str | None
    """The caller that a valid signature proves; none: only the database can tell."""
    resolve: Callable[[], Awaitable[Caller]]
    """Looks up the caller; raises `UnauthenticatedError` if they are not admitted."""
    ends_at: float | None = None
    """When it ends, in seconds since the epoch; none: not by itself."""


class Credentials:
    """Reads the credentials of requests."""

    def __init__(self, tokens: Tokens, engine: AsyncEngine) -> None:
        self._tokens = tokens
        self._engine = engine

    def read(self, headers: Headers) -> Credential:
        """The credential that a request carries.

        Raises:
            UnauthenticatedError: there is one, and it is not valid.
        """
        sent = headers.getlist("Authorization")
        if not sent:
            return Credential(None, _nobody)
        scheme, _, token = sent[0].partition(" ")
        if len(sent) > 1 or scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("Send one header `Authorization: Bearer …`.")
        return self.read_token(token)

    def read_token(self, token: str) -> Credential:
        """The credential that an access token, API key or manage token is.

        Raises:
            UnauthenticatedError: it is not valid.
        """
        if token.startswith(KEY_MARK):
            return Credential(None, lambda: self._key_holder(token))
        if self._tokens.is_manage(token):
            guest = Guest(booking_id=self._tokens.check_manage(token))
            return Credential(f"{guest.kind}:{guest.id}", lambda: _known(guest), self._tokens.end_of(token))
        claims = self._tokens.check(token)
        return Credential(f"user:{claims.user_id}", lambda: self._user(claims), self._tokens.end_of(token))

    def read_ticket(self, ticket: str) -> Credential:
        """The credential of a request that opens a stream with a ticket, which is used up when it is looked up."""
        return Credential(None, lambda: self._ticket_holder(ticket), ticket_end(ticket))

    async def _ticket_holder(self, ticket: str) -> Caller:
        async with autocommit(self._engine) as conn:
            found = await stream_tickets.use(conn, token_hash(ticket))
            if found is None:
                raise UnauthenticatedError("The ticket is not valid: unknown, used or expired. Get a new one.")
            kind, caller_id, session_id = found
            if kind is CallerKind.GUEST:
                return Guest(booking_id=caller_id)
            if kind is CallerKind.API_KEY:
                rights = await live_rights.find_all(conn, sessions=(), keys=(caller_id,), users=())
                caller: Caller | None = rights.keys.get(caller_id)
            else:
                assert session_id is not None
                caller = await sessions.find_principal(conn, session_id, caller_id)
        if caller is None:
            raise UnauthenticatedError("The login or key of this ticket has ended.")
        return caller

    async def _user(self, claims: AccessClaims) -> Caller:
        async with autocommit(self._engine) as conn:
            principal = await sessions.find_principal(conn, claims.session_id, claims.user_id)
        if principal is None:
            raise UnauthenticatedError("This login has ended: log in again.")
        return principal

    async def _key_holder(self, key: str) -> Caller:
        async with autocommit(self._engine) as conn:
            stored = await api_keys.find_by_prefix(conn, key[:PREFIX_LENGTH])
            # Compared in constant time, also when there is no such key.
            matches = hmac.compare_digest(stored.secret_hash if stored else bytes(32), token_hash(key))
            if stored is None or not matches or not stored.is_live:
                raise UnauthenticatedError("The API key is not valid: unknown, expired or revoked.")
            if stored.is_use_news:
                await api_keys.note_use(conn, stored.business_id, stored.id)
        scopes = frozenset(Scope(scope) for scope in stored.scopes)
        return KeyHolder(key_id=stored.id, business_id=stored.business_id, scopes=scopes)


def new_ticket(ends_at: float | None) -> str:
    """A new ticket for a stream that ends when the credential does for which it is issued.

    The ticket itself says when that is. Nobody can change it: then there would be no such ticket.
    """
    return new_token() if ends_at is None else f"{new_token()}.{ends_at:.0f}"


def ticket_end(ticket: str) -> float | None:
    """When the stream ends that a ticket opens, in seconds since the epoch; none: not by itself."""
    ends_at = ticket.partition(".")[2]
    return float(ends_at) if ends_at.isascii() and ends_at.isdigit() else None


async def _nobody() -> Caller:
    return ANONYMOUS


async def _known(caller: Caller) -> Caller:
    return caller
