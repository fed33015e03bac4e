"""Sessions: how they begin, and how refresh tokens, which are replaced at each use, continue them.

RFC 9700, section 4.14.2: a refresh token that is used twice has been copied. Its session ends for both holders.
"""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from api import audit_trail
from api.auth.schemas import TokenOut
from api.deps import AppStateDep
from api.request_context import context_of
from db.repositories import sessions
from db.repositories.sessions import PresentedToken
from domain.accounts import REFRESH_GRACE, SessionEndReason, token_hash
from domain.callers import Principal
from domain.errors import UnauthenticatedError
from runtime.ids import new_token


class Logins:
    """The session that this request begins or continues. Its user becomes the request's caller."""

    def __init__(self, request: Request, app: AppStateDep) -> None:
        self._request = request
        self._context = context_of(request)
        self._tokens = app.tokens
        self._lifetime = timedelta(days=app.settings.refresh_token_days)
        self._expires_at = app.now() + self._lifetime

    async def begin(self, conn: AsyncConnection, user_id: UUID, password_hash: str) -> TokenOut | None:
        """Log in a user whose password was verified; none if the password has changed meanwhile."""
        refresh_token = new_token()
        session_id = await sessions.begin(
            conn,
            user_id,
            password_hash=password_hash,
            token_hash=token_hash(refresh_token),
            expires_at=self._expires_at,
        )
        return None if session_id is None else self._answer(user_id, session_id, refresh_token)

    async def refresh(self, conn: AsyncConnection, refresh_token: str) -> TokenOut | None:
        """Replace a refresh token; none if it was used before, which has now ended its session.

        Raises:
            UnauthenticatedError: there is no such token, it has expired, or its session has ended.
        """
        presented = await sessions.present(conn, token_hash(refresh_token), grace=REFRESH_GRACE)
        if presented is None:
            raise UnauthenticatedError("The refresh token is not valid: log in again.")
        if presented.is_reused:
            await self._end(conn, presented)
            return None
        next_token = new_token()
        await sessions.rotate(
            conn,
            presented.session_id,
            token_hash(refresh_token),
            next_hash=token_hash(next_token),
            expires_at=self._expires_at,
        )
        return self._answer(presented.user_id, presented.session_id, next_token)

    async def _end(self, conn: AsyncConnection, reused: PresentedToken) -> None:
        await sessions.end(conn, reused.session_id, SessionEndReason.TOKEN_REUSED)
        self._is_of(reused.user_id, reused.session_id)
        await audit_trail.note_denied_in(conn, self._request, SessionEndReason.TOKEN_REUSED)
        self._context.settle_audit()

    def _answer(self, user_id: UUID, session_id: UUID, refresh_token: str) -> TokenOut:
        self._is_of(user_id, session_id)
        return TokenOut(
            access_token=self._tokens.issue(user_id, session_id),
            expires_in=int(self._tokens.lifetime.total_seconds()),
            refresh_token=refresh_token,
            refresh_expires_in=int(self._lifetime.total_seconds()),
        )

    def _is_of(self, user_id: UUID, session_id: UUID) -> None:
        self._context.log_in(Principal(user_id=user_id, session_id=session_id))
        self._context.about(object_id=session_id)


LoginsDep = Annotated[Logins, Depends()]
