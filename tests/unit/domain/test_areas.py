"""Postal codes: compared in one plain form, one by one, by their beginning and by range."""

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
