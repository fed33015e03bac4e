"""Keys made from names."""

import pytest
from fastapi.exceptions import RequestValidationError

from api.businesses.keys import key_for


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Demo Garage", "demo-garage"),
        ("  Café Olé & Söhne!  ", "cafe-ole-sohne"),
        ("O'Neil's Straße №5", "oneils-strasse-no5"),
        ("ﬁne ½", "fine-12"),
        ("日本 2", "2"),
        ("a" * 62 + " b", "a" * 62),
        ("a" * 200, "a" * 63),
    ],
)
def test_a_name_is_spelled_in_plain_letters_digits_and_hyphens(name: str, key: str) -> None:
    assert key_for("slug", None, name) == key


def test_a_key_that_is_given_is_kept() -> None:
    assert key_for("code", "own_1", "Name") == "own_1"


@pytest.mark.parametrize("name", ["日本", "!!!", "0198c0de 0000 7000 8000 000000000000"])
def test_a_name_without_anything_to_use_asks_for_a_key(name: str) -> None:
    with pytest.raises(RequestValidationError) as refused:
        key_for("slug", None, name)
    assert refused.value.errors()[0]["loc"] == ("body", "slug")
