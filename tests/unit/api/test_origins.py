"""Origins are normalized to the form that browsers send."""

import pytest

from api.origins import plain_origin


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://WWW.example.com", "https://www.example.com"),
        ("https://m\u00fcller.example", "https://xn--mller-kva.example"),
        ("https://M\u00dcLLER.example:443", "https://xn--mller-kva.example"),
        ("https://m\u00fcller.example:8443", "https://xn--mller-kva.example:8443"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(typed: str, kept: str) -> None:
    assert plain_origin(typed) == kept


@pytest.mark.parametrize("typed", ["https://m\u00fcller.example/", "https://m\u00fc ller.example", "m\u00fcller"])
def test_what_is_no_origin_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="an origin is"):
        plain_origin(typed)
