"""`/v1/auth`: proving who one is."""

from fastapi import APIRouter

from api.auth.passwords import verify_password
from api.auth.schemas import LoginIn, TokenOut
from api.deps import AppParts
from db.engine import autocommit
from db.repositories import users
from domain.access import Membership, Principal
from domain.errors import UnauthenticatedError
from domain.lifecycle import Role

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post("/login", operation_id="login")
async def login(body: LoginIn, parts: AppParts) -> TokenOut:
    """Exchange e-mail and password for an access token."""
    async with autocommit(parts.engine) as conn:
        found = await users.find_credentials(conn, body.email)
        memberships = await users.list_memberships(conn, found.user_id) if found else []
    stored = found.password_hash if found else None
    if not await verify_password(stored, body.password.get_secret_value()) or found is None:
        raise UnauthenticatedError("The e-mail address or the password is wrong.")
    principal = Principal(
        user_id=found.user_id,
        memberships=tuple(
            Membership(business_id=m.business_id, role=Role(m.role), provider_id=m.provider_id)
            for m in memberships
        ),
    )
    lifetime = int(parts.tokens.lifetime.total_seconds())
    return TokenOut(access_token=parts.tokens.issue(principal), expires_in=lifetime)
