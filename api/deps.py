"""What routes are given: the parts of the running application, and who is asking."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine

from api.auth.tokens import Tokens
from api.engine.gateway import EngineGateway
from api.engine.starter import Starter
from db.engine import autocommit
from db.repositories import users
from domain.access import Membership, Permission, Principal, require
from domain.errors import UnauthenticatedError
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a request may need, made once by the application."""

    settings: Settings
    engine: AsyncEngine
    tokens: Tokens
    gateway: EngineGateway
    starter: Starter

    @staticmethod
    def now() -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


# Coroutines throughout, although they await nothing: a plain function would cost a hop to a thread each.
AppParts = Annotated[Parts, Depends(_parts)]

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="The access token of `/v1/auth/login`.")


async def _principal(
    parts: AppParts, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    if credentials is None:
        raise UnauthenticatedError
    return parts.tokens.check(credentials.credentials)


CurrentPrincipal = Annotated[Principal, Depends(_principal)]


class Desk:
    """The caller's roles as they are in the database now: a business founded, or left, a minute ago counts.

    Tokens carry roles too, for the hot paths; what changes a business can afford to ask.
    """

    def __init__(self, principal: Principal, memberships: tuple[Membership, ...]) -> None:
        self.user_id = principal.user_id
        self._memberships = memberships

    def require(self, permission: Permission, business_id: UUID, *, provider_id: UUID | None = None) -> Membership:
        """The membership by which the caller may do this; see `domain.access.require`."""
        return require(self._memberships, permission, business_id, provider_id=provider_id)


async def _desk(parts: AppParts, principal: CurrentPrincipal) -> Desk:
    async with autocommit(parts.engine) as conn:
        found = await users.list_memberships(conn, principal.user_id)
    return Desk(principal, tuple(Membership(**asdict(row)) for row in found))


AtDesk = Annotated[Desk, Depends(_desk)]


async def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


RequestId = Annotated[str, Depends(_request_id)]
