"""Access tokens: JWTs signed with Ed25519 (EdDSA), which any service can check with the public key."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import ValidationError

from domain.access import Membership, Principal
from domain.errors import UnauthenticatedError
from runtime.ids import new_id
from runtime.settings import Settings

_ALGORITHM: Final = "EdDSA"
_TYPE: Final = "at+jwt"
"""RFC 9068: no other kind of token passes for an access token."""
_REMEMBERED: Final = 4096
_EXPIRED: Final = "The access token has expired: log in again."


class TokenError(Exception):
    """The signing key is missing or unusable; the message says what to do."""


class Tokens:
    """Issues and checks access tokens."""

    def __init__(self, key: Ed25519PrivateKey, settings: Settings) -> None:
        self._private = key
        self._public = key.public_key()
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self.lifetime = timedelta(minutes=settings.access_token_minutes)
        # A signature is checked once for each token, its expiry at every use.
        self._verified = lru_cache(maxsize=_REMEMBERED)(self._verify)

    def issue(self, principal: Principal) -> str:
        """A token for this principal, from now on for `lifetime`."""
        now = datetime.now(UTC)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(principal.user_id),
            "jti": str(new_id()),
            "iat": now,
            "exp": now + self.lifetime,
            "memberships": [_pack(membership) for membership in principal.memberships],
        }
        return jwt.encode(claims, self._private, algorithm=_ALGORITHM, headers={"typ": _TYPE})

    def check(self, token: str) -> Principal:
        """The principal of a valid token.

        Raises:
            UnauthenticatedError: the token is not ours, not for us, not in force or not a token.
        """
        principal, expires_at = self._verified(token)
        if expires_at <= time.time():
            raise UnauthenticatedError(_EXPIRED)
        return principal

    def _verify(self, token: str) -> tuple[Principal, float]:
        """The principal of a token that is valid now, and until when it is."""
        try:
            decoded = jwt.decode_complete(
                token,
                self._public,
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
            if decoded["header"].get("typ") != _TYPE:
                raise UnauthenticatedError("This is not an access token.")
            return _principal(decoded["payload"]), float(decoded["payload"]["exp"])
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError(_EXPIRED) from error
        except (jwt.InvalidTokenError, ValidationError, ValueError, TypeError) as error:
            raise UnauthenticatedError("The access token is not valid.") from error


def _pack(membership: Membership) -> list[str | None]:
    provider_id = membership.provider_id
    return [str(membership.business_id), str(membership.role), str(provider_id) if provider_id else None]


def _principal(claims: dict[str, Any]) -> Principal:
    memberships = tuple(
        Membership(business_id=business_id, role=role, provider_id=provider_id)
        for business_id, role, provider_id in claims.get("memberships", ())
    )
    return Principal(user_id=UUID(claims["sub"]), memberships=memberships)


def load_tokens(settings: Settings) -> Tokens:
    """The token issuer with the key that the settings name.

    Raises:
        TokenError: there is no key, or it is not an Ed25519 private key in PEM.
    """
    path = settings.jwt_key_file
    if path is None:
        raise TokenError("HOLDFAST_JWT_KEY_FILE is not set: name a PEM file with an Ed25519 private key.")
    return Tokens(_read_key(path), settings)


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise TokenError(f"The signing key {path} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TokenError(f"The signing key {path} is not an Ed25519 private key.")
    return key
