"""Postal codes: normalized, and compared by code, prefix and range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.areas import Area, AreaKind, is_served, plain_code

EXACT = Area(AreaKind.EXACT, "SW1A1AA")
PREFIX = Area(AreaKind.PREFIX, "EC1")
RANGE = Area(AreaKind.RANGE, "10001", "10299")


@pytest.mark.parametrize("code", ["sw1a 1aa", "SW1A1AA", " Sw1A-1aA ", "SW1A\t1AA"])
def test_a_code_is_compared_however_it_is_spelt(code: str) -> None:
    assert plain_code(code) == "SW1A1AA"
    assert EXACT.covers(plain_code(code))


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("\u3012150-0001", "1500001"),
        ("\uff11\uff15\uff10\uff0d\uff10\uff10\uff10\uff11", "1500001"),
        ("\uff11\uff15\uff10\u30fc\uff10\uff10\uff10\uff11", "1500001"),
        ("10001\u20131234", "100011234"),
        ("\u0661\u0662\u0663\u0664\u0665", "12345"),
        ("\uff33\uff37\uff11\uff21\u3000\uff11\uff21\uff21\u200b", "SW1A1AA"),
    ],
)
def test_a_code_is_read_in_every_width_and_with_every_dash(typed: str, plain: str) -> None:
    assert plain_code(typed) == plain


@pytest.mark.parametrize(
    ("code", "in_ng1", "in_ng15", "in_ng", "in_ng1_to_ng9"),
    [
        ("NG1 5DT", True, False, True, True),
        ("NG1", True, False, True, True),
        ("NG11 2AA", False, False, True, False),
        ("NG11", False, False, True, False),
        ("NG15 5DT", False, True, True, False),
        ("NG9 1AA", False, False, True, True),
        ("N1 5DT", False, False, False, False),
        ("NGX", False, False, True, False),
    ],
)
def test_british_districts_are_compared_as_districts(
    code: str, in_ng1: bool, in_ng15: bool, in_ng: bool, in_ng1_to_ng9: bool
) -> None:
    plain = plain_code(code)
    prefixes = [Area(AreaKind.PREFIX, place) for place in ("NG1", "NG15", "NG")]
    assert [area.covers(plain) for area in prefixes] == [in_ng1, in_ng15, in_ng]
    assert Area(AreaKind.RANGE, "NG1", "NG9").covers(plain) is in_ng1_to_ng9


@pytest.mark.parametrize(
    ("prefix", "code", "covered"),
    [
        ("N", "NG1 5DT", False),
        ("W1", "W1A 1AA", True),
        ("W1A", "W1 1AA", False),
        ("NG155", "NG15 5DT", True),
        ("NG155", "NG15 6DT", False),
        ("NG1 5DT", "NG1 5DT", True),
        ("K1", "K1A 0B1", True),
        ("D02", "D02 X285", True),
        ("12", "1234 AB", True),
    ],
)
def test_a_beginning_ends_where_a_part_of_a_british_code_does(prefix: str, code: str, covered: bool) -> None:
    assert Area(AreaKind.PREFIX, plain_code(prefix)).covers(plain_code(code)) is covered


@pytest.mark.parametrize(
    ("code", "covered"), [("10001", True), ("10001-1234", True), ("10002-1234", False), ("100011", False)]
)
def test_a_zip_code_holds_its_plus_four(code: str, covered: bool) -> None:
    assert Area(AreaKind.EXACT, "10001").covers(plain_code(code)) is covered


@pytest.mark.parametrize(
    ("area", "code", "covered"),
    [
        (EXACT, "SW1A1AB", False),
        (EXACT, "SW1A1AAB", False),
        (EXACT, "SW1A1A", False),
        (PREFIX, "EC1", True),
        (PREFIX, "EC1A1BB", True),
        (PREFIX, "EC2A1BB", False),
        (PREFIX, "EC", False),
        (RANGE, "10001", True),
        (RANGE, "10299", True),
        (RANGE, "10000", False),
        (RANGE, "10300", False),
        (RANGE, "1000", False),
        (RANGE, "102", False),
        (RANGE, "102990110", True),
        (RANGE, "103000110", False),
    ],
)
def test_what_an_area_covers(area: Area, code: str, covered: bool) -> None:
    assert area.covers(code) is covered


@given(st.integers(0, 99_999), st.integers(0, 99_999), st.integers(0, 99_999))
def test_a_range_of_numbers_covers_the_numbers_between_its_ends(one: int, other: int, number: int) -> None:
    first, last = sorted((one, other))
    area = Area(AreaKind.RANGE, f"{first:05}", f"{last:05}")
    assert area.covers(f"{number:05}") is (first <= number <= last)


def test_without_areas_everything_is_served_and_with_them_nothing_without_a_code() -> None:
    assert is_served([], None)
    assert is_served([], "10001")
    assert is_served([EXACT, PREFIX, RANGE], "EC1A1BB")
    assert not is_served([EXACT, PREFIX, RANGE], "90210")
    assert not is_served([EXACT, PREFIX, RANGE], None)
