"""Where a business goes: postal codes, one by one, by their beginning or by range."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_FILLERS = re.compile(r"[\s-]+")


class AreaKind(StrEnum):
    EXACT = "exact"
    PREFIX = "prefix"
    RANGE = "range"


@dataclass(frozen=True, slots=True)
class Area:
    """Postal codes in their plain form: one, all that begin with `first`, or from `first` to `last`.

    The ends of a range have one length, and only that much of a code is compared: 10001 to 10299 holds 10118-0110.
    """

    kind: AreaKind
    first: str
    last: str | None = None

    def covers(self, code: str) -> bool:
        """Whether a code in its plain form lies here."""
        match self.kind:
            case AreaKind.EXACT:
                return code == self.first
            case AreaKind.PREFIX:
                return code.startswith(self.first)
            case AreaKind.RANGE:
                assert self.last is not None
                return len(code) >= len(self.first) and self.first <= code[: len(self.first)] <= self.last


def plain_code(code: str) -> str:
    """A postal code as it is compared: upper case, without spaces and hyphens."""
    return _FILLERS.sub("", code).upper()


def is_served(areas: Sequence[Area], code: str | None) -> bool:
    """Whether the code lies in one of the areas; without areas everything does, without a code nothing else."""
    if not areas:
        return True
    return code is not None and any(area.covers(code) for area in areas)
