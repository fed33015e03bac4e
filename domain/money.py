"""Conversion of amounts between minor units, which we store, and major units."""

from decimal import Decimal
from typing import Final

_WITHOUT_MINOR_UNIT: Final = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
        *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
_THOUSANDTHS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_DIGITS: Final = 2


def minor_digits(currency: str) -> int:
    """The number of decimal places of a currency's minor unit (ISO 4217, list one)."""
    if currency in _WITHOUT_MINOR_UNIT:
        return 0
    return 3 if currency in _THOUSANDTHS else _DIGITS


def in_major_units(amount_minor: int, currency: str) -> Decimal:
    """The amount in the currency's major unit: 12900 USD is 129.00."""
    return Decimal(amount_minor).scaleb(-minor_digits(currency))
