"""Secrets that are kept for others, encrypted: other systems' tokens as they lie in the database.

Fernet (AES-128-CBC with HMAC-SHA256). Of several keys the first encrypts and all of them decrypt, so that a key
can be replaced without a stop.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

SETTING = "HOLDFAST_SECRETS_KEY"


class SecretsKeyMissingError(Exception):
    """There is no key to encrypt with, or to decrypt with."""

    def __init__(self) -> None:
        super().__init__(f"{SETTING} is not set")


class SecretUnreadableError(Exception):
    """It was encrypted with a key that is not among ours."""

    def __init__(self) -> None:
        super().__init__(f"no key of {SETTING} decrypts this secret")


class Secrets:
    """Encrypts and decrypts with the keys of the setting: comma-separated, 32 bytes each in URL-safe Base64."""

    def __init__(self, keys: SecretStr | None) -> None:
        self._keys = _keys(keys.get_secret_value()) if keys else None

    def encrypt(self, secret: str) -> str:
        """The secret as it may be stored.

        Raises:
            SecretsKeyMissingError: no key is set.
        """
        return self._cipher().encrypt(secret.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """The secret.

        Raises:
            SecretsKeyMissingError: no key is set.
            SecretUnreadableError: none of the keys fits.
        """
        try:
            return self._cipher().decrypt(stored.encode()).decode()
        except InvalidToken as error:
            raise SecretUnreadableError from error

    def _cipher(self) -> MultiFernet:
        if self._keys is None:
            raise SecretsKeyMissingError
        return self._keys


def _keys(keys: str) -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in keys.split(",")])


def new_key() -> str:
    """A fresh key for the setting."""
    return Fernet.generate_key().decode()
