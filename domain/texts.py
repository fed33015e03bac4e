"""Cleaning of typed text: control characters and invisible characters."""

import unicodedata
from typing import Final

_STEERING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, surrogates, and line and paragraph separators."""
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Embeddings, overrides and isolates, which reorder the text after them (Unicode Standard Annex 9).

The marks U+200E, U+200F and U+061C affect no other text, and belong to the spelling of some names.
"""
_UNSEEN: Final = frozenset({"Cf", "Mn", "Zs"})


def is_control(character: str) -> bool:
    """Whether the character controls a terminal, a header or the text after it. Joiners and other marks do not."""
    return unicodedata.category(character) in _STEERING or character in _REORDERING


def without_controls(text: str) -> str:
    """The text with a space for each control character; joiners in words and emoji stay."""
    return "".join(" " if is_control(character) else character for character in text)


def without_format(text: str) -> str:
    """The text without format characters such as joiners, for comparisons."""
    return "".join(character for character in text if unicodedata.category(character) != "Cf")


def is_visible(text: str) -> bool:
    """Whether the text has a visible character."""
    return any(not is_control(one) and unicodedata.category(one) not in _UNSEEN for one in text)
