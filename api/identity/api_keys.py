"""The text of an API key: `hfk_`, eight characters, `_`, and 32 random bytes in URL-safe Base64."""

import secrets
import string
from dataclasses import dataclass, field
from typing import Final

from api.identity.credentials import KEY_MARK, PREFIX_LENGTH
from domain.accounts import token_hash
from runtime.ids import new_token

_ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key. Its text is known only now."""

    prefix: str
    text: str = field(repr=False)

    @property
    def secret_hash(self) -> bytes:
        """The stored hash."""
        return token_hash(self.text)


def make_key() -> NewKey:
    """Generate a key."""
    own = "".join(secrets.choice(_ALPHABET) for _ in range(PREFIX_LENGTH - len(KEY_MARK)))
    prefix = KEY_MARK + own
    return NewKey(prefix, f"{prefix}_{new_token()}")
