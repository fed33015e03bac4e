"""Slugs: names transliterated for URLs.

Greek follows ELOT 743 and Cyrillic ICAO Doc 9303, letter by letter. Names in other scripts, such as Japanese,
Chinese and Arabic, get a digest of the name, so that equal names get equal slugs.
"""

import base64
import hashlib
import re
import unicodedata
from typing import Final

LONGEST: Final = 63
_DIGEST_LENGTH: Final = 6


def _pairs(letters: str, spelled: str) -> dict[int, str]:
    return dict(zip(map(ord, letters), spelled.split(), strict=True))


_SPELLED: Final = (
    _pairs("αβγδεζηθικλμνξοπρστυφχψω", "a v g d e z i th i k l m n x o p r s t y f ch ps o")
    | _pairs("абвгдежзиклмнопрстуфхцчшщ", "a b v g d e zh z i k l m n o p r s t u f kh ts ch sh shch")
    | _pairs("ъыэюяієґђјљњћџ", "ie y e iu ia i ie g dj j lj nj c dz")
    | {ord("ь"): ""}
    | _pairs("øæœłđðþıħ", "o ae oe l d d th i h")
)
_GREEK_PAIRS: Final = {"ου": "ou", "αυ": "av", "ευ": "ev"}  # noqa: RUF001 - they are Greek


def slug_of(name: str) -> str:
    """The name in ASCII letters, digits and hyphens: "Café Olé" becomes `cafe-ole`; empty if nothing remains.

    A digest of the name stands in for letters that cannot be transliterated: "東京 2" becomes, say, `2-k3x9qa`.
    """
    letters = _folded(name)
    spelled = _joined(letters)
    return with_digest(spelled, name) if any(one.isalpha() and not one.isascii() for one in letters) else spelled


def with_digest(slug: str, name: str) -> str:
    """The slug with a digest of the name appended."""
    room = LONGEST - _DIGEST_LENGTH - 1
    same = unicodedata.normalize("NFKC", name).casefold().strip()
    digest = base64.b32encode(hashlib.sha256(same.encode(errors="replace")).digest())
    return "-".join(part for part in (slug[:room].strip("-"), digest.decode().lower()[:_DIGEST_LENGTH]) if part)


def _folded(name: str) -> str:
    """The name in lower case without accents, transliterated as far as possible."""
    text = (
        unicodedata.normalize("NFKD", name)
        .casefold()
        .replace("'", "")
        .replace("\N{RIGHT SINGLE QUOTATION MARK}", "")
    )
    text = "".join(one for one in unicodedata.normalize("NFKD", text) if unicodedata.category(one) != "Mn")
    for pair, spelled in _GREEK_PAIRS.items():
        text = text.replace(pair, spelled)
    text = "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in text)
    return text.translate(_SPELLED)


def _joined(letters: str) -> str:
    plain = letters.encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-")
