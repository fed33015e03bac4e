"""`/v1/auth`: registration and passwords.

No answer tells whether an address has an account: that goes to the address itself, by e-mail.
"""

from uuid import UUID

from fastapi import APIRouter, Request

from api import audit_trail
from api.access import UserDep, needs
from api.auth.logins import LoginsDep
from api.auth.passwords import hash_in_thread, verify_password
from api.auth.schemas import (
    Accepted,
    ChangePasswordIn,
    ForgotPasswordIn,
    MembershipOut,
    MeOut,
    RegisterIn,
    ResetPasswordIn,
    TokenOut,
    VerifyEmailIn,
)
from api.auth.throttle import ThrottleDep
from api.deliverability import require_carried_by_installation
from api.deps import AppState, AppStateDep
from api.request_context import RequestContextDep
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import accounts, sessions, users
from db.repositories.accounts import OpenRequest
from db.repositories.users import Profile
from domain.access import Permission
from domain.accounts import REGISTRATION_LASTS, RESET_LASTS, RequestKind, SessionEndReason, token_hash
from domain.callers import Principal
from domain.errors import InvalidTokenError, UnauthenticatedError, WrongPasswordError
from runtime.ids import new_id

router = APIRouter(prefix="/v1/auth")


@router.post("/register", operation_id="register", status_code=202, dependencies=[needs(Permission.SIGN_IN)])
async def register(body: RegisterIn, app: AppStateDep, throttle: ThrottleDep, write: WriterDep) -> Accepted:
    """Ask for an account. A message to the address says how to go on; it is good for 24 hours."""
    await throttle.count_message()
    require_carried_by_installation(app.settings, body.email)
    password_hash = await hash_in_thread(body.password.get_secret_value())
    request_id, kind = new_id(), RequestKind.REGISTER
    async with write.begin() as conn:
        write.set_object_id(request_id)
        is_taken = await throttle.may_write_to(conn, kind, body.email)
        if is_taken:
            expires_at = app.now() + REGISTRATION_LASTS
            await accounts.add_request(
                conn,
                request_id,
                kind,
                body.email,
                name=body.name,
                password_hash=password_hash,
                expires_at=expires_at,
            )
    return _accepted(app, request_id if is_taken else None)


@router.post(
    "/forgot-password",
    operation_id="forgotPassword",
    status_code=202,
    dependencies=[needs(Permission.SIGN_IN)],
)
async def forgot_password(
    body: ForgotPasswordIn, app: AppStateDep, throttle: ThrottleDep, write: WriterDep
) -> Accepted:
    """Ask for a new password. A message to the address says how to go on; it is good for an hour."""
    await throttle.count_message()
    require_carried_by_installation(app.settings, body.email)
    request_id, kind = new_id(), RequestKind.RESET
    async with write.begin() as conn:
        write.set_object_id(request_id)
        is_taken = await throttle.may_write_to(conn, kind, body.email)
        if is_taken:
            expires_at = app.now() + RESET_LASTS
            await accounts.add_request(conn, request_id, kind, body.email, expires_at=expires_at)
    return _accepted(app, request_id if is_taken else None)


def _accepted(app: AppState, request_id: UUID | None) -> Accepted:
    if request_id is not None:
        app.messages.submit(request_id)
    return Accepted()


@router.post("/verify-email", operation_id="verifyEmail", dependencies=[needs(Permission.SIGN_IN)])
async def verify_email(
    body: VerifyEmailIn, app: AppStateDep, throttle: ThrottleDep, session: LoginsDep, write: WriterDep
) -> TokenOut:
    """Open the account and log in: with the token that was mailed and the password that was chosen.

    It takes both. Who registers an address that is not theirs does not get the token; and whose address was
    registered by somebody else does not, by a click, open an account to which that somebody has the password.
    """
    token = body.token.get_secret_value()
    attempt = await throttle.take(f"token {token}")
    asked = await _open_request(app, RequestKind.REGISTER, token)
    stored = asked.password_hash if asked else None
    if not await verify_password(stored, body.password.get_secret_value()) or asked is None:
        raise InvalidTokenError
    assert asked.name is not None
    assert stored is not None
    async with write.begin() as conn:
        user_id = None
        if await accounts.finish(conn, asked.id):
            user_id = await users.create(conn, email=asked.email, name=asked.name, password_hash=stored)
        answer = await session.begin(conn, user_id, stored) if user_id is not None else None
        if answer is None:
            raise InvalidTokenError
        await throttle.succeeded(conn, attempt)
    return answer


@router.post(
    "/reset-password",
    operation_id="resetPassword",
    status_code=204,
    dependencies=[needs(Permission.SIGN_IN)],
)
async def reset_password(
    body: ResetPasswordIn, app: AppStateDep, context: RequestContextDep, throttle: ThrottleDep, write: WriterDep
) -> None:
    """Choose a new password with the token that was mailed. It ends every session of the account."""
    asked = await _open_request(app, RequestKind.RESET, body.token.get_secret_value())
    if asked is None:
        raise InvalidTokenError
    password_hash = await hash_in_thread(body.password.get_secret_value())
    async with write.begin() as conn:
        # Lock the user before the requests, as every change of a password does: else two of them deadlock.
        user_id = await users.reset_password(conn, asked.email, password_hash=password_hash)
        if user_id is None or not await accounts.finish(conn, asked.id):
            raise InvalidTokenError
        await sessions.end_all(conn, user_id, SessionEndReason.PASSWORD_RESET)
        await accounts.withdraw_resets(conn, asked.email)
        await throttle.forget(conn, asked.email)
        context.log_in(Principal(user_id=user_id))
        write.set_object_id(user_id)


async def _open_request(app: AppState, kind: RequestKind, token: str) -> OpenRequest | None:
    async with autocommit(app.engine) as conn:
        return await accounts.find_open(conn, kind, token_hash(token))


@router.post(
    "/change-password",
    operation_id="changePassword",
    status_code=204,
    dependencies=[needs(Permission.MANAGE_ACCOUNT)],
)
async def change_password(
    body: ChangePasswordIn,
    request: Request,
    app: AppStateDep,
    user: UserDep,
    throttle: ThrottleDep,
    write: WriterDep,
) -> None:
    """Choose a new password. It ends every session of yours but this one."""
    write.set_object_id(user.user_id)
    known = await _profile(app, user)
    attempt = await throttle.take(known.email)
    if not await verify_password(known.password_hash, body.current_password.get_secret_value()):
        raise await _denied(app, request)
    password_hash = await hash_in_thread(body.new_password.get_secret_value())
    async with write.begin() as conn:
        is_replaced = await users.replace_password(
            conn, user.user_id, known_hash=known.password_hash, password_hash=password_hash
        )
        if not is_replaced:  # another request changed it meanwhile
            raise WrongPasswordError
        await sessions.end_all(conn, user.user_id, SessionEndReason.PASSWORD_CHANGED, but=user.session_id)
        await accounts.withdraw_resets(conn, known.email)
        await throttle.succeeded(conn, attempt)


async def _denied(app: AppState, request: Request) -> WrongPasswordError:
    error = WrongPasswordError()
    await audit_trail.note_denied(app, request, error)
    return error


@router.get("/me", operation_id="getMe", dependencies=[needs(Permission.MANAGE_ACCOUNT)])
async def get_me(app: AppStateDep, user: UserDep) -> MeOut:
    """Who you are, and your roles in businesses as they are now."""
    known = await _profile(app, user)
    memberships = [MembershipOut(**membership.model_dump()) for membership in user.memberships]
    return MeOut(id=user.user_id, email=known.email, name=known.name, memberships=memberships)


async def _profile(app: AppState, user: Principal) -> Profile:
    async with autocommit(app.engine) as conn:
        known = await users.find_profile(conn, user.user_id)
    if known is None:
        raise UnauthenticatedError
    return known
