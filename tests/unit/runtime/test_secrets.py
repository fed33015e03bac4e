"""Secrets are stored encrypted, keys can be rotated, and settings show neither."""

import pytest
from pydantic import SecretStr, ValidationError

from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError, new_key
from runtime.settings import Settings

TOKEN = "a-token-of-theirs"


def secrets(*keys: str) -> Secrets:
    return Secrets(SecretStr(", ".join(keys)))


def test_what_is_stored_does_not_show_the_secret_and_comes_back() -> None:
    key = new_key()
    stored = secrets(key).encrypt(TOKEN)
    assert TOKEN not in stored
    assert secrets(key).decrypt(stored) == TOKEN
    assert secrets(key).encrypt(TOKEN) != stored


def test_a_new_key_in_front_encrypts_and_the_old_one_still_decrypts() -> None:
    old, new = new_key(), new_key()
    stored_before = secrets(old).encrypt(TOKEN)
    both = secrets(new, old)
    assert both.decrypt(stored_before) == TOKEN
    assert secrets(new).decrypt(both.encrypt(TOKEN)) == TOKEN


def test_a_secret_of_another_key_or_a_damaged_one_is_not_readable() -> None:
    key = new_key()
    stored = secrets(key).encrypt(TOKEN)
    for keys, text in (((new_key(),), stored), ((key,), stored[:-4] + "AAAA"), ((key,), "")):
        with pytest.raises(SecretUnreadableError):
            secrets(*keys).decrypt(text)


def test_without_a_key_nothing_is_encrypted_and_the_setting_is_named() -> None:
    with pytest.raises(SecretsKeyMissingError, match="HOLDFAST_SECRETS_KEY"):
        Secrets(None).encrypt(TOKEN)
    with pytest.raises(SecretsKeyMissingError):
        Secrets(None).decrypt("anything")


@pytest.mark.parametrize(
    "wrong",
    ["short", "x" * 44, f"{new_key()},", f"{new_key()},secretsecret", "ключ"],
    ids=["short", "no base64", "empty second", "wrong second", "no ASCII"],
)
def test_a_setting_that_is_no_key_is_refused_at_the_start_without_being_shown(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_SECRETS_KEY", wrong)
    with pytest.raises(ValidationError) as refusal:
        Settings()
    assert "32 bytes" in str(refusal.value)
    assert wrong not in str(refusal.value)


def test_the_key_does_not_show_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key()
    monkeypatch.setenv("HOLDFAST_SECRETS_KEY", key)
    settings = Settings()
    assert key not in repr(settings)
    assert Secrets(settings.secrets_key).decrypt(Secrets(SecretStr(key)).encrypt(TOKEN)) == TOKEN


def test_an_empty_setting_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_SECRETS_KEY", "")
    assert Settings().secrets_key is None
