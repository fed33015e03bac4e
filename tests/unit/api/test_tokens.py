"""Signed tokens: issued tokens verify, keys can be rotated, and nothing else is accepted."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from api.identity.signing_keys import SigningKeyError, SigningKeys
from api.identity.tokens import AccessClaims, Tokens, load_tokens
from domain.errors import UnauthenticatedError
from runtime.settings import Settings

KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()
SETTINGS = Settings(access_token_minutes=15)
TOKENS = Tokens(SigningKeys(KEY), SETTINGS)
KID = TOKENS.keys.kid
USER, SESSION, BOOKING = UUID(int=1), UUID(int=2), UUID(int=3)
NOW = datetime.now(UTC)
YESTERDAY = NOW - timedelta(days=1)
TOMORROW = NOW + timedelta(days=1)


def public_pem(key: Ed25519PrivateKey) -> bytes:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki)


def private_pem(key: Ed25519PrivateKey) -> bytes:
    pkcs8, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, nothing)


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that pass, but for the changes; a change to None leaves the claim out."""
    now = datetime.now(UTC)  # not when the module was loaded: a suite may take longer than such a token lives
    valid = {
        "iss": SETTINGS.jwt_issuer,
        "aud": SETTINGS.jwt_audience,
        "sub": str(USER),
        "sid": str(SESSION),
        "iat": now,
        "exp": now + timedelta(minutes=5),
    }
    return {name: value for name, value in (valid | changes).items() if value is not None}


def signed(content: dict[str, Any], *, key: Ed25519PrivateKey = KEY, **headers: Any) -> str:
    """A token with this content, signed as ours are; a header of None is left out."""
    named = {"typ": "at+jwt", "kid": KID} | headers
    return by_hand({"alg": "EdDSA"} | {n: v for n, v in named.items() if v is not None}, content, key.sign)


def by_hand(
    header: dict[str, Any], content: dict[str, Any], sign: Callable[[bytes], bytes] = lambda _: b""
) -> str:
    """A token put together without a library that would refuse to."""
    dates = {name: int(v.timestamp()) if isinstance(v, datetime) else v for name, v in content.items()}
    said = ".".join(_base64url(json.dumps(part).encode()) for part in (header, dates))
    return f"{said}.{_base64url(sign(said.encode()))}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hs256(secret: bytes) -> str:
    header = {"alg": "HS256", "typ": "at+jwt", "kid": KID}
    return by_hand(header, claims(), lambda said: hmac.digest(secret, said, hashlib.sha256))


def _jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    return SigningKeys(key).by_kid[SigningKeys(key).kid].jwk()


def with_another_payload() -> str:
    header, _, signature = TOKENS.issue(USER, SESSION).split(".")
    return f"{header}.{_base64url(json.dumps(claims(sub=str(BOOKING)), default=str).encode())}.{signature}"


def test_a_token_brings_back_the_user_and_the_login_it_was_issued_for() -> None:
    assert TOKENS.check(TOKENS.issue(USER, SESSION)) == AccessClaims(USER, SESSION)


def test_a_token_lives_for_its_minutes_and_says_no_more_than_ids() -> None:
    token = TOKENS.issue(USER, SESSION)
    content = jwt.decode(token, options={"verify_signature": False})
    assert content["exp"] - content["iat"] == 15 * 60
    assert set(content) == {"iss", "aud", "sub", "sid", "jti", "iat", "exp"}
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "at+jwt", "kid": KID}


def test_a_manage_token_brings_back_its_booking_and_is_the_same_for_the_same_arguments() -> None:
    first, second = (TOKENS.issue_manage(BOOKING, NOW, TOMORROW) for _ in range(2))
    assert first == second
    assert TOKENS.is_manage(first)
    assert TOKENS.check_manage(first) == BOOKING
    assert not TOKENS.is_manage(TOKENS.issue(USER, SESSION))
    assert not TOKENS.is_manage("garbage")


def test_the_hand_made_tokens_of_these_tests_would_pass() -> None:
    assert TOKENS.check(signed(claims())) == AccessClaims(USER, SESSION)
    assert TOKENS.check(signed(claims(nbf=YESTERDAY))) == AccessClaims(USER, SESSION)


ATTACKS: dict[str, Callable[[], str]] = {
    "no token": lambda: "",
    "garbage": lambda: "garbage",
    "three empty parts": lambda: "..",
    "not base64": lambda: "é.é.é",
    "alg none": lambda: by_hand({"alg": "none", "typ": "at+jwt", "kid": KID}, claims()),
    "alg None": lambda: by_hand({"alg": "None", "typ": "at+jwt", "kid": KID}, claims()),
    "no alg": lambda: by_hand({"typ": "at+jwt", "kid": KID}, claims(), KEY.sign),
    "alg Ed25519": lambda: by_hand({"alg": "Ed25519", "typ": "at+jwt", "kid": KID}, claims(), KEY.sign),
    "EdDSA without a signature": lambda: by_hand({"alg": "EdDSA", "typ": "at+jwt", "kid": KID}, claims()),
    "HS256 with the public key in PEM": lambda: hs256(public_pem(KEY)),
    "HS256 with the public key's bytes": lambda: hs256(KEY.public_key().public_bytes_raw()),
    "HS256 with nothing": lambda: hs256(b""),
    "another key": lambda: signed(claims(), key=OTHER),
    "another key that it brings along": lambda: signed(claims(), key=OTHER, jwk=_jwk(OTHER)),
    "another key that it says where to find": lambda: signed(claims(), key=OTHER, jku="https://evil.example/jwks"),
    "jwk": lambda: signed(claims(), jwk=_jwk(KEY)),
    "jku": lambda: signed(claims(), jku="https://evil.example/jwks"),
    "x5u": lambda: signed(claims(), x5u="https://evil.example/cert"),
    "x5c": lambda: signed(claims(), x5c=["MIIB"]),
    "crit": lambda: signed(claims(), crit=["exp"], exp=0),
    "b64": lambda: signed(claims(), b64=False, crit=["b64"]),
    "another issuer": lambda: signed(claims(iss="https://elsewhere.example")),
    "another audience": lambda: signed(claims(aud="another-api")),
    "another type": lambda: signed(claims(), typ="JWT"),
    "no type": lambda: signed(claims(), typ=None),
    "another kid": lambda: signed(claims(), kid=SigningKeys(OTHER).kid),
    "no kid": lambda: signed(claims(), kid=None),
    "a kid that is a path": lambda: signed(claims(), kid="../../dev/null"),
    "a kid that is no text": lambda: signed(claims(), kid=[KID]),
    "expired": lambda: signed(claims(iat=YESTERDAY, exp=YESTERDAY + timedelta(minutes=5))),
    "issued tomorrow": lambda: signed(claims(iat=TOMORROW, exp=TOMORROW + timedelta(days=1))),
    "not yet valid": lambda: signed(claims(nbf=TOMORROW)),
    "no expiry": lambda: signed(claims(exp=None)),
    "an expiry that is no moment": lambda: signed(claims(exp="never")),
    "not issued": lambda: signed(claims(iat=None)),
    "no audience": lambda: signed(claims(aud=None)),
    "no issuer": lambda: signed(claims(iss=None)),
    "no subject": lambda: signed(claims(sub=None)),
    "a subject that is no id": lambda: signed(claims(sub="admin")),
    "no login": lambda: signed(claims(sid=None)),
    "a login that is no id": lambda: signed(claims(sid=["*"])),
    "a manage token": lambda: TOKENS.issue_manage(BOOKING, NOW, TOMORROW),
    "another payload": with_another_payload,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_else_passes(attack: str) -> None:
    with pytest.raises(UnauthenticatedError):
        TOKENS.check(ATTACKS[attack]())


def test_no_other_token_passes_for_a_manage_token() -> None:
    expired = TOKENS.issue_manage(BOOKING, YESTERDAY, NOW - timedelta(seconds=1))
    dressed_up = signed(claims(sub=str(BOOKING)), key=OTHER, typ="booking+jwt")
    no_id = signed(claims(sub="all"), typ="booking+jwt")
    for token in (TOKENS.issue(USER, SESSION), expired, dressed_up, no_id, "garbage"):
        with pytest.raises(UnauthenticatedError):
            TOKENS.check_manage(token)


def test_a_token_that_was_taken_once_is_not_taken_when_it_has_expired() -> None:
    moments = [time.time()]
    tokens = Tokens(TOKENS.keys, SETTINGS, clock=lambda: moments[-1])
    token = tokens.issue(USER, SESSION)
    moments.append(moments[0] + 15 * 60 - 2)
    assert tokens.check(token) == AccessClaims(USER, SESSION)
    moments.append(moments[0] + 15 * 60)
    with pytest.raises(UnauthenticatedError, match="expired"):
        tokens.check(token)


def test_a_kid_is_the_thumbprint_of_the_key() -> None:
    """The example of RFC 8037, appendix A.3."""
    public = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    keys = SigningKeys(KEY, [Ed25519PublicKey.from_public_bytes(public)])
    assert "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" in keys.by_kid


def test_a_key_is_replaced_without_a_token_being_lost(tmp_path: Path) -> None:
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    old.write_bytes(private_pem(KEY))
    new.write_bytes(private_pem(OTHER))
    before = load_tokens(Settings(jwt_key_file=str(old)))
    during = load_tokens(Settings(jwt_key_file=f"{new}, {old}"))
    after = load_tokens(Settings(jwt_key_file=str(new)))
    issued = before.issue(USER, SESSION)
    assert during.check(issued) == AccessClaims(USER, SESSION)
    fresh = during.issue(USER, SESSION)
    assert jwt.get_unverified_header(fresh)["kid"] == after.keys.kid
    assert after.check(fresh) == AccessClaims(USER, SESSION)
    with pytest.raises(UnauthenticatedError):
        after.check(issued)
    assert [key["kid"] for key in during.keys.jwks()["keys"]] == [after.keys.kid, before.keys.kid]


def test_of_the_keys_that_only_verify_the_public_half_is_enough(tmp_path: Path) -> None:
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    old.write_bytes(public_pem(KEY))
    new.write_bytes(private_pem(OTHER))
    tokens = load_tokens(Settings(jwt_key_file=f"{new},{old}"))
    assert tokens.check(TOKENS.issue(USER, SESSION)) == AccessClaims(USER, SESSION)


def test_the_jwk_set_is_enough_to_check_a_token_and_holds_no_secret() -> None:
    listed = TOKENS.keys.jwks()["keys"]
    assert [set(key) for key in listed] == [{"kty", "crv", "x", "kid", "use", "alg"}]
    public = jwt.PyJWKSet.from_dict({"keys": listed})[KID]
    content = jwt.decode(TOKENS.issue(USER, SESSION), public, algorithms=["EdDSA"], audience=SETTINGS.jwt_audience)
    assert content["sub"] == str(USER)


@pytest.mark.parametrize("content", [None, b"no key at all", public_pem(KEY)])
def test_a_key_file_that_is_none_says_so_in_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SigningKeyError, match=r"key\.pem"):
        load_tokens(Settings(jwt_key_file=str(path)))


def test_without_a_key_file_the_setting_is_named() -> None:
    with pytest.raises(SigningKeyError, match="HOLDFAST_JWT_KEY_FILE"):
        load_tokens(Settings(jwt_key_file=""))
