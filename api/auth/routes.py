"""`/v1/auth`: proving who one is."""

from datetime import timedelta

from fastapi import APIRouter

from api.access import needs
from api.auth.passwords import verify_password
from api.auth.schemas import LoginIn, TokenOut
from api.deps import AppParts
from db.engine import autocommit
from db.repositories import sessions, users
from domain.access import Permission
from domain.errors import UnauthenticatedError

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post("/login", operation_id="login", dependencies=[needs(Permission.SIGN_IN)])
async def login(body: LoginIn, parts: AppParts) -> TokenOut:
    """Exchange e-mail and password for an access token."""
    async with autocommit(parts.engine) as conn:
        found = await users.find_credentials(conn, body.email)
    stored = found.password_hash if found else None
    if not await verify_password(stored, body.password.get_secret_value()) or found is None:
        raise UnauthenticatedError("The e-mail address or the password is wrong.")
    lifetime = int(parts.tokens.lifetime.total_seconds())
    expires_at = parts.now() + timedelta(days=parts.settings.refresh_token_days)
    async with autocommit(parts.engine) as conn:
        session_id = await sessions.begin(conn, found.user_id, expires_at)
    return TokenOut(access_token=parts.tokens.issue(found.user_id, session_id), expires_in=lifetime)
