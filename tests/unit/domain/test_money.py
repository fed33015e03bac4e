"""Amounts in minor units are written in the currency's own."""

import pytest

from domain.money import in_major_units


@pytest.mark.parametrize(
    ("amount_minor", "currency", "written"),
    [(12900, "USD", "129.00"), (12900, "JPY", "12900"), (12900, "KWD", "12.900"), (0, "EUR", "0.00")],
)
def test_each_currency_has_its_own_number_of_decimal_places(
    amount_minor: int, currency: str, written: str
) -> None:
    assert str(in_major_units(amount_minor, currency)) == written
