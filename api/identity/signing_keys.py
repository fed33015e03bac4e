"""The keys that sign tokens: the first signs, all verify, so that keys rotate without downtime."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from runtime.settings import Settings

_SECRET_BYTES = 32


class SigningKeyError(Exception):
    """A signing key is missing or unusable; the message says what to do."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key under its id."""

    kid: str
    """The key's thumbprint (RFC 7638)."""
    public: Ed25519PublicKey

    def jwk(self) -> dict[str, str]:
        """The key as a member of a JWK Set (RFC 8037)."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _x(self.public),
            "kid": self.kid,
            "use": "sig",
            "alg": "EdDSA",
        }


class SigningKeys:
    """The private key in use, and every public key whose tokens are still accepted."""

    def __init__(self, signing: Ed25519PrivateKey, further: Sequence[Ed25519PublicKey] = ()) -> None:
        self.private = signing
        keys = [VerifyingKey(_thumbprint(public), public) for public in (signing.public_key(), *further)]
        self.kid = keys[0].kid
        self.by_kid = {key.kid: key for key in keys}

    def jwks(self) -> dict[str, Any]:
        """The JWK Set by which other services verify tokens for themselves (RFC 7517)."""
        return {"keys": [key.jwk() for key in self.by_kid.values()]}

    def derive(self, purpose: str) -> bytes:
        """A secret that all processes with this signing key share. It reveals nothing about the key."""
        raw = self.private.private_bytes_raw()
        return HKDF(algorithm=SHA256(), length=_SECRET_BYTES, salt=None, info=purpose.encode()).derive(raw)


def load_keys(settings: Settings) -> SigningKeys:
    """The keys that the settings name, in their order.

    Raises:
        SigningKeyError: there is none, or one is no Ed25519 key in PEM, or the first is no private one.
    """
    paths = settings.jwt_key_paths
    if not paths:
        raise SigningKeyError("HOLDFAST_JWT_KEY_FILE is not set: name a PEM file with an Ed25519 private key.")
    first, *further = [_read(path) for path in paths]
    if not isinstance(first, Ed25519PrivateKey):
        raise SigningKeyError(f"The signing key {paths[0]} is not an Ed25519 private key.")
    return SigningKeys(first, [key.public_key() if isinstance(key, Ed25519PrivateKey) else key for key in further])


def _read(path: Path) -> Ed25519PrivateKey | Ed25519PublicKey:
    try:
        pem = path.read_bytes()
        load: Any = load_pem_public_key if b"PUBLIC KEY" in pem else _load_private
        key = load(pem)
    except (OSError, ValueError, TypeError) as error:
        raise SigningKeyError(f"The signing key {path} cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise SigningKeyError(f"The signing key {path} is not an Ed25519 key.")
    return key


def _load_private(pem: bytes) -> object:
    return load_pem_private_key(pem, password=None)


def _thumbprint(public: Ed25519PublicKey) -> str:
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": _x(public)}, separators=(",", ":"))
    return _base64url(hashlib.sha256(members.encode()).digest())


def _x(public: Ed25519PublicKey) -> str:
    return _base64url(public.public_bytes_raw())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
