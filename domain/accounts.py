"""Registration, password resets and login: lifetimes, rate limits, and which message a request leads to."""

import hashlib
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

REGISTRATION_LASTS: Final = timedelta(hours=24)
RESET_LASTS: Final = timedelta(hours=1)
REFRESH_GRACE: Final = timedelta(seconds=10)
"""How long a used refresh token is accepted again, in case the answer was lost, until a successor is used."""

FREE_ATTEMPTS_OF_ACCOUNT: Final = 5
FREE_ATTEMPTS_OF_ADDRESS: Final = 20
"""Higher than for an account: a whole office may share one address."""
MESSAGES_AN_HOUR_FOR_ADDRESSEE: Final = 3
MESSAGES_AN_HOUR_FOR_CLIENT: Final = 10


class RequestKind(StrEnum):
    REGISTER = "register"
    RESET = "reset"


class SessionEndReason(StrEnum):
    """Why a session ended early."""

    LOGOUT = "logout"
    LOGOUT_EVERYWHERE = "logout_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason  # nosec B105
    PASSWORD_RESET = "password_reset"  # noqa: S105  # nosec B105
    TOKEN_REUSED = "token_reused"  # noqa: S105  # nosec B105


class AccountState(StrEnum):
    """Whether there is an account with an e-mail address."""

    NONE = "none"
    ACTIVE = "active"
    CLOSED = "closed"


class AccountMessageKind(StrEnum):
    VERIFY = "verify"
    """Prove that the address is yours."""
    HAVE_ACCOUNT = "have_account"
    """You have an account already."""
    RESET = "reset"
    """Choose a new password."""


_LETTERS: Final = {
    (RequestKind.REGISTER, AccountState.NONE): AccountMessageKind.VERIFY,
    (RequestKind.REGISTER, AccountState.ACTIVE): AccountMessageKind.HAVE_ACCOUNT,
    (RequestKind.RESET, AccountState.ACTIVE): AccountMessageKind.RESET,
}


def account_message_for(kind: RequestKind, account: AccountState) -> AccountMessageKind | None:
    """The message to send; None: there is no account, or it is closed."""
    return _LETTERS.get((kind, account))


class AccountMessageRef(BaseModel):
    """A request's id. Workflow payloads carry nothing else of it: the rest is read when the message is sent."""

    model_config = ConfigDict(frozen=True)

    request_id: UUID


def token_hash(token: str) -> bytes:
    """The stored hash of a token of 32 random bytes: cheap to compute, useless to a thief."""
    return hashlib.sha256(token.encode()).digest()
