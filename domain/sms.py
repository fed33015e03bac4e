"""What a text message costs: the alphabets that it is sent in, and the parts that it is sent in.

3GPP TS 23.038 (GSM 03.38): a text whose every sign is in the GSM alphabet has 160 of them in one segment and 153
in each of several; one sign outside it, and the whole text is sent in UCS-2, with 70 and 67.
"""

import unicodedata
from typing import Final

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Each takes the place of two."""
_SEGMENTS: Final = {True: (160, 153), False: (70, 67)}
"""Signs in a single segment, and in each of several; by whether the text is in the GSM alphabet."""
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
"""Quotation marks, dashes and the like, as every telephone has them."""


def segments(text: str) -> int:
    """How many segments a text is sent and paid for in."""
    is_gsm = _is_gsm(text)
    single, each = _SEGMENTS[is_gsm]
    length = sum(2 if sign in _EXTENDED else 1 for sign in text) if is_gsm else len(text.encode("utf-16-le")) // 2
    return 1 if length <= single else -(-length // each)


def in_gsm_alphabet(text: str) -> str:
    """The text in the GSM alphabet where leaving accents out is enough for that, as in Spanish; else as it is.

    One `á` more than doubles what a text costs, and people read `sabado` as they write it in texts themselves.
    """
    plain = "".join(map(_plain, text.translate(_TYPOGRAPHIC)))
    return plain if _is_gsm(plain) else text


def _is_gsm(text: str) -> bool:
    return all(sign in _BASIC or sign in _EXTENDED for sign in text)


def _plain(sign: str) -> str:
    """The letter without its accents, where the alphabet has it so alone."""
    if sign in _BASIC or sign in _EXTENDED:
        return sign
    return "".join(part for part in unicodedata.normalize("NFD", sign) if not unicodedata.combining(part))
