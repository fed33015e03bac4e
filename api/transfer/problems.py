"""The problems of an import, collected and reported together, never with values: they may be personal data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from api.transfer.shapes import Section
from domain.errors import ImportInvalidError

MOST_LISTED: Final = 500
_MOST_KEPT: Final = 20_000
"""More are counted only: a document of a few megabytes can have a million."""
_LONGEST_POINTER: Final = 100
_TELLING: Final = 3
"""Shorter values than this occur in any message."""
_ORDER: Final = {"": 0, "business": 1} | {section: 2 + place for place, section in enumerate(Section)}

Location = Sequence[int | str]


@dataclass(frozen=True, slots=True)
class Problem:
    section: str
    """Empty: the document as a whole."""
    row: int
    """From 1; 0: the section as a whole."""
    pointer: str
    """A JSON Pointer into the row; in CSV its column."""
    message: str


class Problems:
    """The problems found so far, in the order of the document."""

    def __init__(self) -> None:
        self._found: list[Problem] = []
        self.total = 0

    def add(self, section: str, row: int, message: str, location: Location = ()) -> None:
        """Note one more."""
        self.total += 1
        if self.total <= _MOST_KEPT:
            message = message.removeprefix("Value error, ")  # Pydantic puts it before our messages
            self._found.append(Problem(section, row, _pointer(location), message))

    def add_invalid(self, section: str, row: int, error: ValidationError, *, flat: bool = False) -> None:
        """Note all that is wrong with a row; `flat`: it was a row of CSV."""
        for found in error.errors(include_url=False, include_context=False):
            location = _column(found["loc"]) if flat else found["loc"]
            self.add(section, row, _without(found["input"], found["msg"]), location)

    def refuse(self) -> None:
        """Go on only where nothing was found.

        Raises:
            ImportInvalidError: something was; with the first of it as `errors`, and all of it counted.
        """
        if not self._found:
            return
        ordered = sorted(self._found, key=lambda found: (_ORDER.get(found.section, 0), found.row))
        errors = [_shown(found) for found in ordered[:MOST_LISTED]]
        raise ImportInvalidError(_summary(ordered[0], self.total), errors=errors, errors_total=self.total)


def _shown(found: Problem) -> dict[str, Any]:
    where = {"section": found.section or None, "row": found.row or None, "pointer": found.pointer}
    return where | {"message": found.message}


def _summary(first: Problem, total: int) -> str:
    where = [first.section, f"row {first.row}" if first.row else "", first.pointer]
    place = ", ".join(part for part in where if part)
    count = "One error" if total == 1 else f"{total} errors"
    return f"{count}, nothing was stored. The first: {place + ': ' if place else ''}{first.message}"


def _pointer(location: Location) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join(f"/{part}" for part in parts)[:_LONGEST_POINTER]


def _column(location: Location) -> Location:
    """The column in which a member of a row stands."""
    if location[:1] == ("price",):
        return ("currency",) if location[1:] == ("currency",) else ("price_minor",)
    return location[:1]


def _without(value: Any, message: str) -> str:
    """The message without the value, which some messages repeat."""
    return message.replace(value, "…") if isinstance(value, str) and len(value) >= _TELLING else message
