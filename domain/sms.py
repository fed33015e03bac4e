"""Encodings and segments of text messages, which determine their price.

3GPP TS 23.038 (GSM 03.38): a text within the GSM alphabet has 160 characters in a single segment and 153 in each
of several. One character outside it makes the whole text UCS-2, with 70 and 67 characters.
"""

import unicodedata
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Each counts as two characters."""
_SEGMENTS: Final = {True: (160, 153), False: (70, 67)}
"""Characters in a single segment, and in each of several; by whether the text is in the GSM alphabet."""
_TYPOGRAPHIC: Final = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
        "\u00a0": " ",
        "\u202f": " ",
    }
)
"""Typographic quotation marks, dashes and spaces, with their plain forms."""


def segments(text: str) -> int:
    """The number of segments that a text is sent and billed in."""
    is_gsm = _is_gsm(text)
    single, each = _SEGMENTS[is_gsm]
    length = sum(2 if sign in _EXTENDED else 1 for sign in text) if is_gsm else len(text.encode("utf-16-le")) // 2
    return 1 if length <= single else -(-length // each)


def in_gsm_alphabet(text: str) -> str:
    """The text in the GSM alphabet if dropping accents is enough for that, as in Spanish; otherwise unchanged.

    A single `á` more than doubles the price, and people write `sabado` in texts themselves.
    """
    plain = "".join(map(_plain, text.translate(_TYPOGRAPHIC)))
    return plain if _is_gsm(plain) else text


def _is_gsm(text: str) -> bool:
    return all(sign in _BASIC or sign in _EXTENDED for sign in text)


def _plain(sign: str) -> str:
    """The character itself if the alphabet has it, otherwise without its accents."""
    if sign in _BASIC or sign in _EXTENDED:
        return sign
    return "".join(part for part in unicodedata.normalize("NFD", sign) if not unicodedata.combining(part))
