"""Service areas: postal codes, listed singly, by prefix or by range."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from domain.texts import without_format

_FILLERS: Final = re.compile("[\\s\u2010-\u2015\u2212\u30fc\u3012\u3020\u3036-]+")
"""Spaces, hyphens and dashes, the Japanese long mark used as one, and postal marks before a code."""
_ZIP, _ZIP_PLUS_FOUR = 5, 9
_BRITISH: Final = re.compile("([A-Z]{1,2})([0-9]|[1-9][0-9])([A-Z]?)(?:[0-9][A-Z]{2})?")
"""Area, number and letter of the district, with or without the inward code: NG, 1 and no letter for NG1 5DT
(Royal Mail, Programmers' Guide to the Postcode Address File)."""
_BRITISH_PLACE: Final = re.compile("([A-Z]{1,2})(?:([0-9]|[1-9][0-9])[A-Z]?)?")
"""An area or a district: NG, NG1, EC1 or EC1A."""
_BRITISH_DISTRICT: Final = re.compile("([A-Z]{1,2})([0-9]|[1-9][0-9])")


class AreaKind(StrEnum):
    EXACT = "exact"
    PREFIX = "prefix"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class Area:
    """Postal codes in normalised form: one code, all with the prefix `first`, or those from `first` to `last`.

    Both ends of a range have the same length, and only that much of a code is compared: 10001 to 10299 includes
    10118-0110. Of a US ZIP+4 only the first five digits count. British codes are compared by district: NG1 is not
    a prefix of NG11.
    """

    kind: AreaKind
    first: str
    last: str | None = None

    def covers(self, code: str) -> bool:
        """Whether the area includes a code in normalised form."""
        match self.kind:
            case AreaKind.EXACT:
                return self.first in (code, _zip_of(code))
            case AreaKind.PREFIX:
                return self._is_beginning_of(code)
            case AreaKind.RANGE:
                return self._reaches(code)

    def _is_beginning_of(self, code: str) -> bool:
        if not code.startswith(self.first):
            return False
        british = _BRITISH.fullmatch(code)
        if british is None or not _BRITISH_PLACE.fullmatch(self.first):
            return True
        area, number, letter = british.groups()
        return self.first in (area, area + number, area + number + letter)

    def _reaches(self, code: str) -> bool:
        assert self.last is not None
        if (districts := _districts(self.first, self.last)) and (british := _BRITISH.fullmatch(code)):
            return british[1] == districts[0] and int(british[2]) in districts[1]
        return len(code) >= len(self.first) and self.first <= code[: len(self.first)] <= self.last


def _zip_of(code: str) -> str | None:
    """The ZIP Code of a US ZIP+4; no other country has postal codes of nine digits."""
    return code[:_ZIP] if len(code) == _ZIP_PLUS_FOUR and code.isdigit() else None


@lru_cache(maxsize=1024)
def _districts(first: str, last: str) -> tuple[str, range] | None:
    """The area and district numbers of a British range; None: the range is not British."""
    low, high = _BRITISH_DISTRICT.fullmatch(first), _BRITISH_DISTRICT.fullmatch(last)
    if low is None or high is None or low[1] != high[1]:
        return None
    return low[1], range(int(low[2]), int(high[2]) + 1)


def plain_code(code: str) -> str:
    """The normalised postal code: upper case, ASCII digits, without spaces, hyphens and postal marks."""
    spelled = unicodedata.normalize("NFKC", without_format(code))
    digits = (str(unicodedata.decimal(one)) if one.isdecimal() else one for one in spelled)
    return _FILLERS.sub("", "".join(digits)).upper()


def is_served(areas: Sequence[Area], code: str | None) -> bool:
    """Whether one of the areas includes the code. No areas: all codes; no code: only if there are no areas."""
    if not areas:
        return True
    return code is not None and any(area.covers(code) for area in areas)
