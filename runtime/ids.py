"""Identifiers: UUIDv7 keys, which sort by time, short references that people read out, and secret tokens."""

import secrets
from typing import Final
from uuid import UUID

import uuid_utils.compat

_REFERENCE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No 0/O, 1/I/L or U/V: what is misheard or misread is left out."""
_REFERENCE_LENGTH: Final = 7
_TOKEN_BYTES: Final = 32


def new_id() -> UUID:
    """A fresh UUIDv7 (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def new_reference() -> str:
    """A fresh booking reference; unique per business only because the database says so."""
    return "".join(secrets.choice(_REFERENCE_ALPHABET) for _ in range(_REFERENCE_LENGTH))


def new_token() -> str:
    """A fresh secret that opens something: 32 random bytes in URL-safe Base64, 43 characters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)
