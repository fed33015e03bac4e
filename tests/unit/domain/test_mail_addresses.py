"""E-mail addresses beyond ASCII, and which vendors deliver to them."""

import pytest

from domain.mail_addresses import is_carriers, needs_quotes, needs_utf8, quoted, why_not_carried

UTF8, DOTS, PLAIN = "j\u00f6rg@guests.example", "a..b@docomo.ne.jp", "robin@example.com"


def test_what_an_address_needs() -> None:
    assert [needs_utf8(one) for one in (UTF8, DOTS, PLAIN, "a@m\u00fcller.example")] == [True, False, False, False]
    assert [needs_quotes(one) for one in (UTF8, DOTS, PLAIN, "a.@ezweb.ne.jp")] == [False, True, False, True]
    assert [quoted(one) for one in (DOTS, PLAIN)] == ['"a..b"@docomo.ne.jp', PLAIN]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (DOTS, True),
        ("a.b.@docomo.ne.jp", True),
        ("a.b.@ezweb.ne.jp", True),
        ("a..b@example.com", False),
        (".ab@docomo.ne.jp", False),
        ("a b..@docomo.ne.jp", False),
        ("a..b@docomo.ne.jp.example", False),
    ],
)
def test_carriers_have_addresses_of_their_own(address: str, expected: bool) -> None:
    assert is_carriers(address) is expected


@pytest.mark.parametrize(
    ("address", "sender", "has_utf8", "is_carried"),
    [
        (UTF8, "console", False, True),
        (UTF8, "smtp", True, True),
        (UTF8, "smtp", False, False),
        (UTF8, "sendgrid", True, False),
        (DOTS, "smtp", False, True),
        (DOTS, "sendgrid", False, False),
        (DOTS, "klaviyo", False, False),
        (PLAIN, "sendgrid", False, True),
    ],
)
def test_an_address_is_carried_or_refused_by_who_sends(
    address: str, sender: str, has_utf8: bool, is_carried: bool
) -> None:
    assert (why_not_carried(address, sender, has_utf8=has_utf8) is None) is is_carried
