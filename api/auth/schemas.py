"""Shapes of authentication on the wire."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from api.auth.passwords import composed
from api.shapes import Email, Line
from domain.lifecycle import Role
from domain.texts import is_control, is_visible

_LONGEST_EMAIL = 254
_SHORTEST_PASSWORD = 12


def _fits(email: str) -> str:
    if len(email) > _LONGEST_EMAIL:  # a few letters become longer in lower case
        raise ValueError(f"an address has {_LONGEST_EMAIL} characters at most")
    return email


def _printable(name: str) -> str:
    name = name.strip()
    if not is_visible(name) or any(map(is_control, name)):
        raise ValueError("must have characters, and none that control a terminal")
    return name


def _encodable(secret: SecretStr) -> SecretStr:
    try:
        secret.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None  # a lone surrogate
    return secret


Address = Annotated[Email, AfterValidator(_fits), Field(max_length=_LONGEST_EMAIL, examples=["robin@example.com"])]
Name = Annotated[Line, AfterValidator(_printable), Field(examples=["Robin Doe"])]


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(composed(secret.get_secret_value())) < _SHORTEST_PASSWORD:
        raise ValueError(f"must have {_SHORTEST_PASSWORD} characters or more, an accent counted with its letter")
    return secret


_Valid = AfterValidator(_encodable)
Password = Annotated[
    SecretStr, Field(min_length=1, max_length=1000, examples=["correct horse battery staple"]), _Valid
]
"""One that is tried: it may be older than the rules for new ones."""
NewPassword = Annotated[
    SecretStr,
    Field(min_length=_SHORTEST_PASSWORD, max_length=200, examples=["correct horse battery staple"]),
    _Valid,
    AfterValidator(_long_enough),
]
"""Long is what counts (NIST SP 800-63B); what it is made of is not asked."""
Token = Annotated[
    SecretStr,
    Field(min_length=1, max_length=200, examples=["yPzJ3Qb1vXo0mDq8a4rT7uWkKc2nEfGhLs5iVt9xBZA"]),
    _Valid,
]


class _In(BaseModel):
    # Nothing is stripped: a password may begin with a space.
    model_config = ConfigDict(extra="forbid")


class RegisterIn(_In):
    email: Address
    password: NewPassword
    name: Name


class VerifyEmailIn(_In):
    token: Token
    """The one that was mailed."""
    password: Password
    """The one that was chosen at registration."""


class LoginIn(_In):
    email: Address
    password: Password


class RefreshIn(_In):
    refresh_token: Token


class ChangePasswordIn(_In):
    current_password: Password
    new_password: NewPassword


class ForgotPasswordIn(_In):
    email: Address


class ResetPasswordIn(_In):
    token: Token
    """The one that was mailed."""
    password: NewPassword


class Accepted(BaseModel):
    """The request was taken. Whether the address has an account is nobody's business."""


class TokenOut(BaseModel):
    access_token: str
    """For `Authorization: Bearer …`."""
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(examples=[900])
    """Seconds until the access token expires."""
    refresh_token: str = Field(examples=["yPzJ3Qb1vXo0mDq8a4rT7uWkKc2nEfGhLs5iVt9xBZA"])
    """For `POST /v1/auth/refresh`; replaced at each use."""
    refresh_expires_in: int = Field(examples=[604_800])
    """Seconds until the refresh token expires."""


class MembershipOut(BaseModel):
    business_id: UUID
    role: Role
    provider_id: UUID | None
    """Of a provider: as whom they act."""


class MeOut(BaseModel):
    id: UUID
    email: str = Field(examples=["robin@example.com"])
    name: str = Field(examples=["Robin Doe"])
    memberships: list[MembershipOut]


class JwkOut(BaseModel):
    """A public key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    """Its thumbprint (RFC 7638)."""
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class JwksOut(BaseModel):
    """A JWK Set (RFC 7517)."""

    keys: list[JwkOut]
