"""Identifiers: UUIDv7 keys, which sort by time, short references for people, and secret tokens."""

import secrets
from typing import Final
from uuid import UUID

import uuid_utils.compat

_REFERENCE_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without characters that are easily misheard or misread: 0/O, 1/I/L, U/V."""
_REFERENCE_LENGTH: Final = 7
_TOKEN_BYTES: Final = 32


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562)."""
    return uuid_utils.compat.uuid7()


def new_reference() -> str:
    """A new booking reference. Only the database's constraint makes it unique per business."""
    return "".join(secrets.choice(_REFERENCE_ALPHABET) for _ in range(_REFERENCE_LENGTH))


def new_token() -> str:
    """A new secret token: 32 random bytes in URL-safe Base64, 43 characters."""
    return secrets.token_urlsafe(_TOKEN_BYTES)
