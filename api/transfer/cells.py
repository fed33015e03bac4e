"""CSV cells that no spreadsheet executes, and their values.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, in full width too, and one that
splits lines at semicolons, tabs or line breaks finds such beginnings inside a value. Each of them is written after
an apostrophe, which is removed when it is read: `+12125550100` is `'+12125550100`, and `x;=cmd` is `x;'=cmd`
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

import re
import unicodedata
from typing import Any, Final

# The signs, their full-width and small forms, and the typographic minus.
_SIGNS: Final = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
# Blanks after a separator, but no further separator: else backtracking would be quadratic.
_BEGINS: Final = r"((?:^|[;\t\r\n])[^\S\t\r\n]*)"
_RISKY: Final = re.compile(f"{_BEGINS}('*[{_SIGNS}])")
_ESCAPED: Final = re.compile(f"{_BEGINS}'('*[{_SIGNS}])")

_LISTS: Final = frozenset({"skills", "required_skills"})
_AS_TYPED: Final = frozenset({"name", "description", "note", "email"})
_WORDS: Final = frozenset({"day", "kind", "payment_mode", "payment_at", "sms_opt_in"})
_TIMES: Final = frozenset({"opens", "closes"})
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_BETWEEN: Final = re.compile(r"[\s;]+")
_SHORT_HOUR: Final = re.compile("[0-9]:[0-9]{2}")


def written(value: Any) -> str:
    """A value as a cell."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return " ".join(value)
    return _RISKY.sub(r"\1'\2", str(value))


def value(column: str, cell: str) -> Any:
    """The cell's value as in JSON; none if it is empty.

    Codes, times and numbers may be typed in full width, words in any case, and an hour without its zero.
    """
    text = _ESCAPED.sub(r"\1\2", cell.strip())
    if not text:
        return None
    if column not in _AS_TYPED:
        text = _spelled(column, unicodedata.normalize("NFKC", text).strip())
    return [part for part in _BETWEEN.split(text) if part] if column in _LISTS else text


def _spelled(column: str, text: str) -> str:
    if column in _WORDS:
        word = text.lower()
        return word[:3] if word in _DAYS else word
    if column in _TIMES and _SHORT_HOUR.fullmatch(text):
        return f"0{text}"
    return text.upper() if column == "currency" else text
