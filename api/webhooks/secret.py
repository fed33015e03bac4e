"""Secrets of webhook endpoints, stored encrypted (Standard Webhooks, symmetric signatures)."""

import secrets
from base64 import b64encode
from datetime import datetime, timedelta
from typing import NamedTuple

from api.answers import invalid
from db.repositories.rows import Row
from domain.webhooks import SECRET_BYTES, SECRET_MARK, former_secrets, stored_form
from runtime.json import from_json, to_json_text
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError


class Rotated(NamedTuple):
    """What is stored of a rotation; all but `until` is encrypted."""

    secret: str
    former: str | None
    until: datetime


def new_secret() -> str:
    """Generate a secret: `whsec_` and 32 random bytes in Base64."""
    return SECRET_MARK + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def encrypted(keys: Secrets, value: dict[str, str]) -> str:
    """The cipher for stored secrets.

    Raises:
        RequestValidationError: this installation has no key to encrypt them with.
    """
    try:
        return keys.encrypt(to_json_text(value))
    except SecretsKeyMissingError as error:
        raise invalid("url", f"its secret cannot be stored: {error}") from error


def rotated(keys: Secrets, endpoint: Row, new: str, now: datetime, hours: int) -> Rotated:
    """What is stored when `new` takes the place of the present secret, which signs beside it for some hours."""
    until = now + timedelta(hours=hours)
    present, former = (
        _opened(keys, endpoint["secret_encrypted"]),
        _opened(keys, endpoint["former_secret_encrypted"]),
    )
    signing = former_secrets(present, former, now, until) if present else {}
    return Rotated(
        encrypted(keys, stored_form(new)),
        encrypted(keys, signing) if signing else None,
        max(map(datetime.fromisoformat, signing.values()), default=until),
    )


def _opened(keys: Secrets, stored: str | None) -> dict[str, str]:
    """None of it where the key that it was encrypted with is gone: then nothing was signed with it either."""
    if stored is None:
        return {}
    try:
        opened: dict[str, str] = from_json(keys.decrypt(stored))
    except (SecretsKeyMissingError, SecretUnreadableError):
        return {}
    return opened
