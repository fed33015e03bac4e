"""Password hashing with Argon2id (RFC 9106, the library's default profile)."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()

# Verified against when there is no such user, so that the answer takes as long as it does for a wrong password.
_NOBODY = _hasher.hash("nobody's password")


def hash_password(password: str) -> str:
    """The encoded hash to store."""
    return _hasher.hash(password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password is right; off the event loop, since it takes tens of milliseconds by design."""
    return await asyncio.to_thread(_verify, stored, password)


def _verify(stored: str | None, password: str) -> bool:
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
