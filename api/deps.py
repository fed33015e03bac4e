"""What routes are given: the parts of the running application, and who is asking."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncEngine

from api.auth.tokens import Tokens
from api.engine.gateway import EngineGateway
from api.engine.starter import Starter
from domain.access import Principal
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


async def _request_id(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


RequestId = Annotated[str, Depends(_request_id)]
