"""Who is at the other end of a WebSocket."""

from typing import NamedTuple

from api import audit_trail
from api.deps import AppState
from api.identity.credentials import Credential
from api.request_context import RequestContext
from api.streams.socket_messages import Authenticate
from domain.access import Permission, require_permission
from domain.callers import Caller
from domain.errors import InvalidRequestError, RateLimitedError, UnauthenticatedError

_METHOD, _PATH = "GET", "/v1/ws"
ACTION = "openWebSocket"
"""In the audit log."""


class Identity(NamedTuple):
    """A caller, and when their token ends, in seconds since the epoch; none: not by itself."""

    caller: Caller
    ends_at: float | None


async def identify(app: AppState, context: RequestContext, message: Authenticate) -> Identity:
    """The caller whose token or ticket this is. Counts against the limit of requests.

    Raises:
        InvalidRequestError: there is not exactly one of both.
        UnauthenticatedError: it is not valid.
        RateLimitedError: the caller, or an address that guesses, has sent too many.
    """
    try:
        credential = _credential(app, message)
        caller = await credential.resolve()
        require_permission(caller, Permission.LISTEN)
    except UnauthenticatedError as error:
        await _count(app, None, context.address)
        await audit_trail.note_denied_in_socket(app, context, ACTION, error)
        raise
    await _count(app, f"{caller.kind}:{caller.id}", context.address)
    return Identity(caller, credential.ends_at)


def require_address(app: AppState, address: str) -> None:
    """Check that the address has not used up its limit.

    Raises:
        RateLimitedError: it has.
    """
    policy = app.limiter.policy_for(_METHOD, _PATH)
    known = policy and app.limiter.refusal(policy, app.limiter.by_address(policy, address))
    if known:
        raise RateLimitedError(retry_after=known.seconds)


def _credential(app: AppState, message: Authenticate) -> Credential:
    if message.token is not None and message.ticket is None:
        return app.credentials.read_token(message.token)
    if message.ticket is not None and message.token is None:
        return app.credentials.read_ticket(message.ticket)
    raise InvalidRequestError("Send a `token` or a `ticket`.")


async def _count(app: AppState, subject: str | None, address: str) -> None:
    policy = app.limiter.policy_for(_METHOD, _PATH)
    if policy is None:
        return
    status = await app.limiter.count(policy, subject or app.limiter.by_address(policy, address))
    if status is not None and not status.is_admitted:
        raise RateLimitedError(retry_after=status.seconds)
