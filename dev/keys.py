"""The keys of the development stack: one signs access tokens, one encrypts stored secrets, one opens gRPC."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runtime.ids import new_token
from runtime.secrets import new_key


def ensure_signing_key(path: Path) -> None:
    """Create an Ed25519 private key (PKCS #8 PEM, mode 0600) if there is none: tokens survive a restart."""
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def ensure_secrets_key(path: Path) -> str:
    """The key for stored secrets, created (mode 0600) if there is none."""
    if not path.exists():
        _write(path, new_key().encode())
    return path.read_text()


def ensure_service_token(path: Path) -> str:
    """The token with which gRPC clients may do everything, created (mode 0600) if there is none."""
    if not path.exists():
        _write(path, new_token().encode())
    return path.read_text()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    unfinished.replace(path)
