"""Tokens of services that may call the gRPC server, as the settings have them: hashes, never the tokens."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from domain.access import Permission
from runtime.json import to_json

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class ServiceToken(BaseModel):
    """One token: whose it is, and what may be done with it. Several of one name are the same service's."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=f"^{_NAME.pattern}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the token's UTF-8 bytes, in hexadecimal digits."""
    permissions: frozenset[Permission] = Field(min_length=1)
    """What may be done with it, for whomever it calls."""
    business_id: UUID | None = None
    """The one business that its calls may be about; without a user's credential it acts for this business."""
    requests_per_minute: int | None = Field(default=None, ge=0)
    """The limit of its calls for itself; None: that of every caller, 0: none."""
    certificate_name: str | None = Field(default=None, min_length=1)
    """A name in the client certificate with which alone it is valid."""

    @classmethod
    def for_token(
        cls, token: str, name: str, permissions: Iterable[str], business_id: UUID | None = None
    ) -> "ServiceToken":
        """The entry of a token.

        Raises:
            ValidationError: the name or a permission is not valid.
        """
        digest = hashlib.sha256(token.encode()).hexdigest()
        values = {"name": name, "sha256": digest, "permissions": list(permissions), "business_id": business_id}
        return cls.model_validate(values)

    def as_json(self) -> str:
        """The entry as the setting's list has it."""
        return to_json(self.model_dump(exclude_none=True) | {"permissions": sorted(self.permissions)}).decode()


_TOKENS: Final = TypeAdapter(tuple[ServiceToken, ...])


def read_tokens(text: str) -> tuple[ServiceToken, ...]:
    """The tokens of a JSON list.

    Raises:
        ValueError: it is no such list; says where and why, not what was read.
    """
    try:
        return _TOKENS.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the value"
        raise ValueError(f"{place}: {first['msg']}") from None
