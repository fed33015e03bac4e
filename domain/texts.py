"""Text that people typed: what of it is spelling, and what only steers whoever shows it."""

import unicodedata
from typing import Final

_STEERING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters, and what ends a line."""
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates, which reorder what is shown behind them (Unicode Standard Annex 9).

The marks U+200E, U+200F and U+061C order no more than themselves, and belong to the spelling of some names.
"""
_UNSEEN: Final = frozenset({"Cf", "Mn", "Zs"})


def is_control(character: str) -> bool:
    """Whether the character steers a terminal, a header or the text behind it. Joiners and other marks do not."""
    return unicodedata.category(character) in _STEERING or character in _REORDERING


def without_controls(text: str) -> str:
    """The text with a blank for each control character; what spells a word or joins an emoji stays."""
    return "".join(" " if is_control(character) else character for character in text)


def without_format(text: str) -> str:
    """The text without characters that are never seen, such as joiners: to look for what hides behind them."""
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def is_visible(text: str) -> bool:
    """Whether there is anything to be seen."""
    return any(not is_control(one) and unicodedata.category(one) not in _UNSEEN for one in text)
