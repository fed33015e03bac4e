"""Signed tokens: JWTs with Ed25519 (EdDSA), which any service can check with the public keys.

A token names the user and the session; the database says at every request what they may do. So a revoked role or
an ended session takes effect at once.
"""

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import jwt
import orjson

from api.identity.signing_keys import SigningKeys, load_keys
from domain.errors import UnauthenticatedError
from runtime.ids import new_id
from runtime.settings import Settings

_ALGORITHM: Final = "EdDSA"
_ACCESS: Final = "at+jwt"
"""RFC 9068: no other kind of token passes for an access token."""
_MANAGE: Final = "booking+jwt"
_HEADERS: Final = frozenset({"alg", "typ", "kid"})
"""Any other header is refused: no `jku`, no `jwk`, no `crit`."""
_REMEMBERED: Final = 4096
_EXPIRED: Final = "The token has expired: get a new one."


class AccessClaims(NamedTuple):
    """The user and the session of an access token."""

    user_id: UUID
    session_id: UUID


class Tokens:
    """Issues and verifies signed tokens.

    `clock` gives seconds since the epoch and decides at every use whether a token has expired. At the first use
    PyJWT also checks the dates against the system clock.
    """

    def __init__(self, keys: SigningKeys, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.keys = keys
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._clock = clock
        self.lifetime = timedelta(minutes=settings.access_token_minutes)
        # The signature is verified once for each token, the expiry at every use.
        self._verified = lru_cache(maxsize=_REMEMBERED)(self._verify)

    def issue(self, user_id: UUID, session_id: UUID) -> str:
        """An access token for a session, valid for `lifetime` from now."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        claims = {"sub": str(user_id), "sid": str(session_id), "jti": str(new_id())}
        return self._sign(_ACCESS, claims, now, now + self.lifetime)

    def issue_manage(self, booking_id: UUID, issued_at: datetime, expires_at: datetime) -> str:
        """The token of a booking's manage link. The same arguments give the same token."""
        return self._sign(_MANAGE, {"sub": str(booking_id)}, issued_at, expires_at)

    def check(self, token: str) -> AccessClaims:
        """The claims of a valid access token.

        Raises:
            UnauthenticatedError: it is not ours, not for us, not valid now or of another kind.
        """
        claims = self._checked(token, _ACCESS)
        try:
            return AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnauthenticatedError("The token is not valid.") from error

    def check_manage(self, token: str) -> UUID:
        """The booking of a valid manage token.

        Raises:
            UnauthenticatedError: as for an access token.
        """
        try:
            return UUID(self._checked(token, _MANAGE)["sub"])
        except (ValueError, TypeError, AttributeError) as error:
            raise UnauthenticatedError("The token is not valid.") from error

    def end_of(self, token: str) -> float:
        """When a token ends whose claims were checked, in seconds since the epoch."""
        return self._verified(token, _MANAGE if self.is_manage(token) else _ACCESS)[1]

    def is_manage(self, token: str) -> bool:
        """Whether it claims to be a manage token; nothing is verified."""
        head = token.partition(".")[0]
        try:  # PyJWT would parse the whole token at every request
            return bool(orjson.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4))).get("typ") == _MANAGE)
        except (ValueError, AttributeError):
            return False

    def _sign(self, kind: str, claims: dict[str, str], issued_at: datetime, expires_at: datetime) -> str:
        common = {"iss": self._issuer, "aud": self._audience, "iat": issued_at, "exp": expires_at}
        headers = {"typ": kind, "kid": self.keys.kid}
        return jwt.encode(common | claims, self.keys.private, algorithm=_ALGORITHM, headers=headers)

    def _checked(self, token: str, kind: str) -> dict[str, Any]:
        claims, expires_at = self._verified(token, kind)
        if expires_at <= self._clock():
            raise UnauthenticatedError(_EXPIRED)
        return claims

    def _verify(self, token: str, kind: str) -> tuple[dict[str, Any], float]:
        """The claims of a valid token, and its expiry."""
        try:
            header = jwt.get_unverified_header(token)
            key = self.keys.by_kid.get(header.get("kid", ""))
            if key is None or header.get("typ") != kind or not header.keys() <= _HEADERS:
                raise UnauthenticatedError("The token is not valid here.")
            claims = jwt.decode(
                token,
                key.public,
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
            return claims, float(claims["exp"])
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError(_EXPIRED) from error
        except (jwt.InvalidTokenError, ValueError, TypeError) as error:
            raise UnauthenticatedError("The token is not valid.") from error


def load_tokens(settings: Settings) -> Tokens:
    """Tokens with the keys that the settings name.

    Raises:
        SigningKeyError: they cannot be used.
    """
    return Tokens(load_keys(settings), settings)
