"""Rows as CSV (RFC 4180, UTF-8, commas), one section a file.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and runs it. So such a cell goes out
with an apostrophe before it, a phone number too, and comes in without it: `+12125550100` is `'+12125550100`.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from api.transfer.problems import Problems
from api.transfer.shapes import COLUMNS, MODELS, Section

_RISKY: Final = re.compile("'*[=+\\-@\t\r\n]")
_ESCAPED: Final = re.compile("'+[=+\\-@\t\r\n]")
_MOST_COLUMNS: Final = 100
_MOST_ROW_CHARS: Final = 64 * 1024
"""Of one row, its line ends included; the longest that can be stored have a tenth of it."""
_LISTS: Final = frozenset({"skills", "required_skills"})
_BETWEEN: Final = re.compile(r"[\s;]+")


def written(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, head: bool) -> str:
    """The rows as lines of CSV; with `head`, behind a line with the names of the columns."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    if head:
        lines.writerow(columns)
    lines.writerows([_cell(row[name]) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return " ".join(value)
    text = str(value)
    return f"'{text}" if _RISKY.match(text) else text


class Sheet:
    """One section's CSV: its rows, with their numbers, as JSON would have them.

    An empty cell is null where the member may be null, else it is left out.
    """

    def __init__(self, section: Section, body: bytes, problems: Problems) -> None:
        self._section = section
        self._problems = problems
        self._line = self._row_chars = 0
        self._lines = self._read(body)
        self._names = [name.strip() for name in next(self._lines, [])]
        self._fields = fields_of(section)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows as cells, each with its number: from 1, the head not counted.

        Empty lines are counted, as a spreadsheet does, but they are no rows.
        """
        return ((number, cells) for number, cells in enumerate(self._lines, start=1) if cells)

    def check_head(self) -> bool:
        """Whether the rows can be read: no column is missing. What else is wrong with the head is noted."""
        known = COLUMNS[self._section]
        if len(self._names) > _MOST_COLUMNS:
            self._add(f"there are more than {_MOST_COLUMNS} columns; known are: {', '.join(known)}")
            return False
        for place, name in enumerate(self._names, start=1):
            if name not in known:  # not named: without a head it is the first row, and may be somebody's
                self._add(f"column {place} is none of: {', '.join(known)}")
            elif name in self._names[: place - 1]:
                self._add(f"column {place} is '{name}' again")
        missing = [name for name in known if name not in self._names and _is_required(self._fields[name])]
        for name in missing:
            self._add(f"the column '{name}' is missing")
        return not missing

    def members(self, number: int, cells: list[str]) -> dict[str, Any] | None:
        """A row as JSON would have it; none, and a problem, when it is not as long as the head."""
        if len(cells) != len(self._names):
            self._add(f"has {len(cells)} cells where the head has {len(self._names)}", number)
            return None
        row = {}
        for name, cell in zip(self._names, cells, strict=True):
            field = self._fields.get(name)
            if field is not None and (cell.strip() or _may_be_null(field)):
                row[name] = _value(name, cell)
        return _priced(row) if self._section is Section.SERVICES else row

    def _read(self, body: bytes) -> Iterator[list[str]]:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._add(f"not UTF-8, from byte {error.start} on")
            return
        lines = csv.reader(self._bounded(text), strict=True)
        try:
            for cells in lines:
                self._row_chars = 0
                yield cells[: _MOST_COLUMNS + 1]  # the rest is too many: they must not be kept
        except csv.Error as error:
            self._add(f"not CSV at line {self._line}: {error}")

    def _bounded(self, text: str) -> Iterator[str]:
        """The lines, until one row is too long: its cells, of which commas make millions, are never made."""
        for self._line, line in enumerate(io.StringIO(text, newline=""), start=1):
            self._row_chars += len(line)
            if self._row_chars > _MOST_ROW_CHARS:
                raise csv.Error(f"a row may have {_MOST_ROW_CHARS} characters at most")
            yield line

    def _add(self, message: str, row: int = 0) -> None:
        self._problems.add(self._section, row, message)


def fields_of(section: Section) -> dict[str, FieldInfo]:
    """What each column of a section may hold."""
    model = MODELS[section]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    if section is Section.SERVICES:
        price = fields["price"].annotation
        assert price is not None
        fields |= {"price_minor": price.model_fields["amount_minor"], "currency": price.model_fields["currency"]}
    return {name: fields[name] for name in COLUMNS[section]}


def _is_required(field: FieldInfo) -> bool:
    return field.is_required()


def _may_be_null(field: FieldInfo) -> bool:
    return NoneType in get_args(field.annotation)


def _value(name: str, cell: str) -> Any:
    text = cell.strip()
    if not text:
        return None
    if _ESCAPED.match(text):
        text = text[1:]
    return [part for part in _BETWEEN.split(text) if part] if name in _LISTS else text


def _priced(row: dict[str, Any]) -> dict[str, Any]:
    price = {"amount_minor": "price_minor", "currency": "currency"}
    sent = {member: row.pop(column) for member, column in price.items() if column in row}
    return row | {"price": sent}
