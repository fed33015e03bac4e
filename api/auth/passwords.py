"""Password hashing with Argon2id (RFC 9106, the library's default profile).

A password is hashed in Unicode's composed form, NFC (RFC 8265, section 4.2; NIST SP 800-63B asks for one form):
`é` in one character and `e` with an accent are the same password.
"""

import asyncio
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()

# Verified when there is no such user, so that the answer takes as long as for a wrong password.
# Precomputed with the default profile: hashing it takes a fifth of the API's start time.
_NOBODY: Final = (
    "$argon2id$v=19$m=65536,t=3,p=4$j8O6ma26/WImYpv3ueZk8Q$XI0lKuaIOWXCLwzDfjIQlBTkCVTfr+LpIExzCgjJO+s"
)

_AT_ONCE: Final = min(4, os.cpu_count() or 1)
"""Each hash takes 64 MiB and a core for tens of milliseconds; further ones wait."""
_executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")


def composed(password: str) -> str:
    """The form in which a password is counted and hashed."""
    return unicodedata.normalize("NFC", password)


def hash_password(password: str) -> str:
    """The encoded hash to store."""
    return _hasher.hash(composed(password))


async def hash_in_thread(password: str) -> str:
    """The same off the event loop, since it takes tens of milliseconds by design."""
    return await asyncio.get_running_loop().run_in_executor(_executor, hash_password, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password is right, off the event loop; no less work when there is none stored."""
    return await asyncio.get_running_loop().run_in_executor(_executor, _verify, stored, password)


def _verify(stored: str | None, password: str) -> bool:
    return any(_is(stored, form) for form in _forms(password))


def _forms(password: str) -> list[str]:
    """The forms that may have been hashed: NFC or, in older hashes, the password as the keyboard sent it."""
    return list(dict.fromkeys([composed(password), password, unicodedata.normalize("NFD", password)]))


def _is(stored: str | None, password: str) -> bool:
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
