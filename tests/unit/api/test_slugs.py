"""Slugs made from names."""

import pytest
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from api.slugs import RESERVED, OwnCode, OwnSlug, key_for


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Demo Garage", "demo-garage"),
        ("  Café Olé & Söhne!  ", "cafe-ole-sohne"),
        ("O'Neil's Straße №5", "oneils-strasse-no5"),
        ("ﬁne ½", "fine-12"),
        ("Ταβέρνα του Γιώργου", "taverna-tou-giorgou"),
        ("Студия «Щука»", "studiia-shchuka"),
        ("Київ", "kiiv"),
        ("Smørrebrød Łódź", "smorrebrod-lodz"),
        ("\N{ARABIC-INDIC DIGIT FOUR}2nd Street", "42nd-street"),
        ("New", "new-cfihud"),
        ("a" * 62 + " b", "a" * 62),
        ("a" * 200, "a" * 63),
    ],
)
def test_a_name_is_spelled_in_plain_letters_digits_and_hyphens(name: str, key: str) -> None:
    assert key_for("slug", None, name) == key


def test_a_key_that_is_given_is_kept() -> None:
    assert key_for("code", "own_1", "Name") == "own_1"


@pytest.mark.parametrize("name", ["日本", "日本 2", "サロン", "صالون", "Café 東京", "ก", "नाई", "a" * 80 + "日"])
def test_what_cannot_be_spelled_gets_a_key_that_is_the_name_s_own(name: str) -> None:
    key = key_for("slug", None, name)
    assert TypeAdapter(OwnSlug).validate_python(key) == key == key_for("slug", None, name)
    others = {key_for("code", None, other) for other in ("大阪", "大阪 2", "Café 大阪")}
    assert len(others | {key}) == 4


@pytest.mark.parametrize("slug", ["new", "me", "api", "www"])
def test_some_slugs_are_for_paths_and_hosts_of_ours(slug: str) -> None:
    with pytest.raises(ValidationError, match="is reserved"):
        TypeAdapter(OwnSlug).validate_python(slug)
    assert TypeAdapter(OwnCode).validate_python(slug) == key_for("code", None, slug) == slug
    assert key_for("slug", None, slug) not in RESERVED


@pytest.mark.parametrize("name", ["!!!", "0198c0de 0000 7000 8000 000000000000"])
def test_a_name_without_anything_to_use_asks_for_a_key(name: str) -> None:
    with pytest.raises(RequestValidationError) as refused:
        key_for("slug", None, name)
    assert refused.value.errors()[0]["loc"] == ("body", "slug")
