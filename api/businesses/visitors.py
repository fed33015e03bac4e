"""Whoever reads the public catalogue, logged in or not: what is hidden in it is for the desk."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.access import ThisCaller
from api.deps import Desk
from domain.access import Caller, Permission
from domain.errors import ForbiddenError, NotFoundError, UnauthenticatedError

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="Only to read what is hidden.")


class Visitor:
    """The caller of a public route; who they are is found out when it matters."""

    def __init__(self, caller: Caller, token: str | None) -> None:
        self._caller = caller
        self._token = token

    async def require(self, permission: Permission, business_id: UUID) -> None:
        """Refuse whoever may not do this.

        Raises:
            UnauthenticatedError: they are not logged in, or not with a valid token.
            NotFoundError: they have nothing to do with the business.
            ForbiddenError: their roles in it do not allow it.
        """
        if self._token is None:
            raise UnauthenticatedError
        Desk(self._caller).require(permission, business_id)

    async def manages(self, business_id: UUID) -> bool:
        """Whether they are at this business's desk.

        Raises:
            UnauthenticatedError: they sent a token that is not valid.
        """
        if self._token is None:
            return False
        try:
            await self.require(Permission.MANAGE_BUSINESS, business_id)
        except (NotFoundError, ForbiddenError):
            return False
        return True


async def _visitor(
    caller: ThisCaller, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Visitor:
    return Visitor(caller, credentials.credentials if credentials else None)


AnyVisitor = Annotated[Visitor, Depends(_visitor)]
