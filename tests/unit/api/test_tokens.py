"""Access tokens: what is issued comes back, and nothing else passes."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.auth.tokens import TokenError, Tokens, load_tokens
from domain.access import Membership, Principal
from domain.errors import UnauthenticatedError
from domain.lifecycle import Role
from runtime.settings import Settings

KEY = Ed25519PrivateKey.generate()
SETTINGS = Settings(access_token_minutes=15)
TOKENS = Tokens(KEY, SETTINGS)
USER = UUID(int=1)
PUBLIC_PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that pass, but for the changes; a change to None leaves the claim out."""
    now = datetime.now(UTC)
    valid = {
        "iss": SETTINGS.jwt_issuer,
        "aud": SETTINGS.jwt_audience,
        "sub": str(USER),
        "iat": now,
        "exp": now + timedelta(minutes=5),
        "memberships": [],
    }
    return {name: value for name, value in (valid | changes).items() if value is not None}


def signed(content: dict[str, Any], *, typ: str = "at+jwt", key: Any = KEY, algorithm: str = "EdDSA") -> str:
    """A token with this content."""
    return jwt.encode(content, key, algorithm=algorithm, headers={"typ": typ})


def by_hand(header: dict[str, Any], content: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together without a library that would refuse to."""
    dates = {name: int(v.timestamp()) if isinstance(v, datetime) else v for name, v in content.items()}
    parts = [json.dumps(header).encode(), json.dumps(dates).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def hs256_with_the_public_key() -> str:
    unsigned = by_hand({"alg": "HS256", "typ": "at+jwt"}, claims()).rpartition(".")[0]
    signature = hmac.digest(PUBLIC_PEM, unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_a_token_brings_back_the_principal_it_was_issued_for() -> None:
    principal = Principal(
        user_id=USER,
        memberships=(
            Membership(business_id=UUID(int=2), role=Role.PROVIDER, provider_id=UUID(int=3)),
            Membership(business_id=UUID(int=4), role=Role.ADMIN),
        ),
    )
    assert TOKENS.check(TOKENS.issue(principal)) == principal


def test_a_token_lives_for_its_minutes_and_says_no_more_than_ids() -> None:
    token = TOKENS.issue(Principal(user_id=USER))
    content = jwt.decode(token, options={"verify_signature": False})
    assert content["exp"] - content["iat"] == 15 * 60
    assert set(content) == {"iss", "aud", "sub", "jti", "iat", "exp", "memberships"}


def test_the_hand_made_claims_of_these_tests_would_pass() -> None:
    assert TOKENS.check(signed(claims())).user_id == USER


YESTERDAY = datetime.now(UTC) - timedelta(days=1)
ATTACKS: dict[str, Callable[[], str]] = {
    "no token": lambda: "",
    "garbage": lambda: "garbage",
    "three empty parts": lambda: "..",
    "not base64": lambda: "é.é.é",
    "alg none": lambda: by_hand({"alg": "none", "typ": "at+jwt"}, claims()),
    "alg None": lambda: by_hand({"alg": "None", "typ": "at+jwt"}, claims()),
    "EdDSA without a signature": lambda: by_hand({"alg": "EdDSA", "typ": "at+jwt"}, claims()),
    "HS256 with the public key": hs256_with_the_public_key,
    "another key": lambda: signed(claims(), key=Ed25519PrivateKey.generate()),
    "another issuer": lambda: signed(claims(iss="https://elsewhere.example")),
    "another audience": lambda: signed(claims(aud="another-api")),
    "another type": lambda: signed(claims(), typ="JWT"),
    "expired": lambda: signed(claims(iat=YESTERDAY, exp=YESTERDAY + timedelta(minutes=5))),
    "issued tomorrow": lambda: signed(claims(iat=datetime.now(UTC) + timedelta(days=1))),
    "no expiry": lambda: signed(claims(exp=None)),
    "no audience": lambda: signed(claims(aud=None)),
    "no issuer": lambda: signed(claims(iss=None)),
    "no subject": lambda: signed(claims(sub=None)),
    "a subject that is no id": lambda: signed(claims(sub="admin")),
    "memberships that are none": lambda: signed(claims(memberships="all")),
    "a role that does not exist": lambda: signed(claims(memberships=[[str(USER), "root", None]])),
    "memberships cut short": lambda: signed(claims(memberships=[[str(USER)]])),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_else_passes(attack: str) -> None:
    with pytest.raises(UnauthenticatedError):
        TOKENS.check(ATTACKS[attack]())


def test_a_token_with_a_changed_claim_no_longer_fits_its_signature() -> None:
    header, _, signature = TOKENS.issue(Principal(user_id=USER)).split(".")
    forged = by_hand({}, claims(memberships=[[str(USER), "admin", None]])).split(".")[1]
    with pytest.raises(UnauthenticatedError):
        TOKENS.check(f"{header}.{forged}.{signature}")


@pytest.mark.parametrize("content", [None, b"no key at all", PUBLIC_PEM])
def test_a_key_file_that_is_none_says_so_in_one_line(content: bytes | None, tmp_path: Any) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TokenError, match=r"key\.pem"):
        load_tokens(Settings(jwt_key_file=path))


def test_without_a_key_file_the_setting_is_named() -> None:
    with pytest.raises(TokenError, match="HOLDFAST_JWT_KEY_FILE"):
        load_tokens(Settings(jwt_key_file=None))
