"""Encryption of other systems' secrets, such as tokens, in the database.

Fernet (AES-128-CBC with HMAC-SHA256). The first key encrypts and all keys decrypt, so that a key can be rotated
without downtime.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

SETTING = "HOLDFAST_SECRETS_KEY"


class SecretsKeyMissingError(Exception):
    """No key is configured."""

    def __init__(self) -> None:
        super().__init__(f"{SETTING} is not set")


class SecretUnreadableError(Exception):
    """The secret was encrypted with a key that is not configured."""

    def __init__(self) -> None:
        super().__init__(f"no key of {SETTING} decrypts this secret")


class Secrets:
    """Encrypts and decrypts with the setting's keys: comma-separated, 32 bytes each in URL-safe Base64."""

    def __init__(self, keys: SecretStr | None) -> None:
        self._keys = _keys(keys.get_secret_value()) if keys else None

    def encrypt(self, secret: str) -> str:
        """The encrypted secret.

        Raises:
            SecretsKeyMissingError: no key is set.
        """
        return self._cipher().encrypt(secret.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """The secret.

        Raises:
            SecretsKeyMissingError: no key is set.
            SecretUnreadableError: no key fits.
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
    """A new key for the setting."""
    return Fernet.generate_key().decode()
