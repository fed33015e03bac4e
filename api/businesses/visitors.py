"""Whoever reads the public catalogue, logged in or not: what is hidden in it is for the desk."""

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.deps import AppParts, Desk, Parts
from db.engine import autocommit
from db.repositories import users
from domain.access import Membership, Permission
from domain.errors import ForbiddenError, NotFoundError, UnauthenticatedError

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="Only to read what is hidden.")


class Visitor:
    """The caller of a public route; who they are is found out when it matters."""

    def __init__(self, parts: Parts, token: str | None) -> None:
        self._parts = parts
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
        principal = self._parts.tokens.check(self._token)
        async with autocommit(self._parts.engine) as conn:
            found = await users.list_memberships(conn, principal.user_id)
        Desk(principal, tuple(Membership(**asdict(row)) for row in found)).require(permission, business_id)

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
    parts: AppParts, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Visitor:
    return Visitor(parts, credentials.credentials if credentials else None)


AnyVisitor = Annotated[Visitor, Depends(_visitor)]
