"""Accounts on their way: what lasts how long, how often one may try, and which message a request leads to."""

import hashlib
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

REGISTRATION_LASTS: Final = timedelta(hours=24)
RESET_LASTS: Final = timedelta(hours=1)
REFRESH_GRACE: Final = timedelta(seconds=10)
"""A refresh token may be used again for so long, unless one that it gave was used: the answer got lost."""

FREE_ATTEMPTS_OF_ACCOUNT: Final = 5
FREE_ATTEMPTS_OF_ADDRESS: Final = 20
"""More than of an account: a whole office may share one address."""
MESSAGES_AN_HOUR_FOR_ADDRESSEE: Final = 3
MESSAGES_AN_HOUR_FOR_CLIENT: Final = 10


class RequestKind(StrEnum):
    REGISTER = "register"
    RESET = "reset"


class SessionEndReason(StrEnum):
    """Why a session ended before its time."""

    LOGOUT = "logout"
    LOGOUT_EVERYWHERE = "logout_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason  # nosec B105
    PASSWORD_RESET = "password_reset"  # noqa: S105  # nosec B105
    TOKEN_REUSED = "token_reused"  # noqa: S105  # nosec B105


class AccountState(StrEnum):
    """What is known of an e-mail address."""

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
    """What to send; none: there is nobody to send anything to, or the account is closed."""
    return _LETTERS.get((kind, account))


class AccountMessageRef(BaseModel):
    """All that the engine hears of a request: everything else is read where the message is sent."""

    model_config = ConfigDict(frozen=True)

    request_id: UUID


def token_hash(token: str) -> bytes:
    """What is stored of a token of 32 random bytes: fast to compute, useless to a thief."""
    return hashlib.sha256(token.encode()).digest()
