"""`/v1/auth`: login, refresh and logout, and the public keys that verify our tokens."""

from fastapi import APIRouter, Response
from pydantic import SecretStr

from api.access import UserDep, needs
from api.auth.account_routes import router as accounts
from api.auth.logins import LoginsDep
from api.auth.passwords import verify_password
from api.auth.schemas import JwksOut, LoginIn, RefreshIn, TokenOut
from api.auth.throttle import ThrottleDep
from api.deps import AppStateDep
from api.request_context import RequestContextDep
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import sessions, users
from db.repositories.users import Credentials
from domain.access import Permission
from domain.accounts import SessionEndReason
from domain.errors import UnauthenticatedError

router = APIRouter(tags=["auth"])
logins = APIRouter(prefix="/v1/auth")

_WRONG = "The e-mail address or the password is wrong."


@logins.post("/login", operation_id="login", dependencies=[needs(Permission.SIGN_IN)])
async def login(
    body: LoginIn,
    app: AppStateDep,
    context: RequestContextDep,
    throttle: ThrottleDep,
    session: LoginsDep,
    write: WriterDep,
) -> TokenOut:
    """Exchange e-mail and password for an access token and a refresh token."""
    attempt = await throttle.take(body.email)
    async with autocommit(app.engine) as conn:
        found = await users.find_credentials(conn, body.email)
    context.about(object_id=found.user_id if found else None)  # the audit log says whose password is tried
    right = await _checked(found, body.password)
    async with write.begin() as conn:
        answer = await session.begin(conn, right.user_id, right.password_hash)
        if answer is None:
            raise UnauthenticatedError(_WRONG)
        await throttle.succeeded(conn, attempt)
    return answer


async def _checked(found: Credentials | None, password: SecretStr) -> Credentials:
    """The same work and the same answer, whether there is such a user or not."""
    stored = found.password_hash if found else None
    if not await verify_password(stored, password.get_secret_value()) or found is None:
        raise UnauthenticatedError(_WRONG)
    return found


@logins.post("/refresh", operation_id="refresh", dependencies=[needs(Permission.SIGN_IN)])
async def refresh(body: RefreshIn, session: LoginsDep, write: WriterDep) -> TokenOut:
    """Exchange a refresh token for a new one and a new access token. It is good for one use.

    Used again within 10 seconds, because the answer got lost, it gives one more, as long as none that it gave was
    used. Used again later, or after one of those, it ends the session, for a copy of it is in other hands; so does
    whichever of them is used second.
    """
    async with write.begin() as conn:
        answer = await session.refresh(conn, body.refresh_token.get_secret_value())
    if answer is None:
        raise UnauthenticatedError("The refresh token is not valid: log in again.")
    return answer


@logins.post("/logout", operation_id="logout", status_code=204, dependencies=[needs(Permission.MANAGE_ACCOUNT)])
async def logout(user: UserDep, write: WriterDep) -> None:
    """End this session: its access and refresh tokens are of no use from now on."""
    assert user.session_id is not None
    async with write.begin() as conn:
        await sessions.end(conn, user.session_id, SessionEndReason.LOGOUT)
        write.set_object_id(user.session_id)


@logins.post(
    "/logout-everywhere",
    operation_id="logoutEverywhere",
    status_code=204,
    dependencies=[needs(Permission.MANAGE_ACCOUNT)],
)
async def logout_everywhere(user: UserDep, write: WriterDep) -> None:
    """End every session of yours, this one too."""
    async with write.begin() as conn:
        await sessions.end_all(conn, user.user_id, SessionEndReason.LOGOUT_EVERYWHERE)
        write.set_object_id(user.user_id)


@router.get("/.well-known/jwks.json", operation_id="getJwks", dependencies=[needs(Permission.SIGN_IN)])
async def get_jwks(app: AppStateDep, response: Response) -> JwksOut:
    """The public keys by which any service can check our access tokens."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return JwksOut.model_validate(app.tokens.keys.jwks())


router.include_router(logins)
router.include_router(accounts)
