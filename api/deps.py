"""What routes are given: the parts of the running application, and who is asking."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api.auth.credentials import Credentials
from api.auth.tokens import Tokens
from api.engine.gateway import EngineGateway
from api.engine.starter import Starter
from api.exchange import exchange_of
from domain.access import Caller, Membership, Permission, Principal, require
from domain.errors import UnauthenticatedError
from runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a request may need, made once by the application."""

    settings: Settings
    engine: AsyncEngine
    tokens: Tokens
    credentials: Credentials
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


async def _principal(request: Request) -> Principal:
    exchange = exchange_of(request)
    if not isinstance(exchange.caller, Principal):
        raise exchange.refusal or UnauthenticatedError
    return exchange.caller


CurrentPrincipal = Annotated[Principal, Depends(_principal)]


class Desk:
    def __init__(self, caller: Caller) -> None:
        self.user_id = caller.id
        self._caller = caller

    def require(self, permission: Permission, business_id: UUID, *, provider_id: UUID | None = None) -> Membership:
        """The membership by which the caller may do this; see `domain.access.require`."""
        return require(self._caller, permission, business_id, provider_id=provider_id)


async def _desk(request: Request) -> Desk:
    return Desk(exchange_of(request).caller)


AtDesk = Annotated[Desk, Depends(_desk)]


async def _request_id(request: Request) -> str:
    return exchange_of(request).request_id


RequestId = Annotated[str, Depends(_request_id)]
