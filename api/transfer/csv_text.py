"""Rows as CSV (RFC 4180, UTF-8), one section a file.

The writer uses commas, quotes every cell, and begins with a byte order mark, which Excel needs to detect UTF-8.
The reader also accepts semicolons and tabs, as spreadsheets write them in many countries.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Final, get_args, get_origin

from pydantic.fields import FieldInfo

from api.transfer import cells
from api.transfer.problems import Problems
from api.transfer.shapes import COLUMNS, MODELS, Section, Separator

_BOM: Final = "\ufeff"
_MOST_COLUMNS: Final = 100
_LONGEST_HEAD: Final = 10_000
_SIGNS: Final[dict[Separator, str]] = {Separator.COMMA: ",", Separator.SEMICOLON: ";", Separator.TAB: "\t"}
_WHOLE: Final = re.compile(r"[+-]?\d{1,20}")
_MOST_ROW_CHARS: Final = 64 * 1024
"""Of one row, its line ends included; the longest that can be stored have a tenth of it."""


def written(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, head: bool) -> str:
    """The rows as lines of CSV; with `head`, behind the file's beginning and the names of the columns."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    if head:
        text.write(_BOM)
        lines.writerow(columns)
    lines.writerows([cells.written(row[name]) for name in columns] for row in rows)
    return text.getvalue()


class Sheet:
    """One section's CSV: its rows, with their numbers, as JSON would have them.

    An empty cell is null where the member may be null, else it is left out.
    """

    def __init__(self, section: Section, body: bytes, problems: Problems) -> None:
        self._section = section
        self._problems = problems
        self.separator = Separator.COMMA
        """The detected separator."""
        self._line = self._row_chars = 0
        self._lines = self._read(body)
        self._names = _names(next(self._lines, []))
        self._fields = fields_of(section)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows as cells, each with its number: from 1, the head not counted.

        Empty lines are counted, as a spreadsheet does, but they are no rows; nor are lines of empty cells.
        """
        return ((number, line) for number, line in enumerate(self._lines, start=1) if any(map(str.strip, line)))

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
            self._add(f"the column '{name}' is missing; {self._understood()}")
        return not missing

    def members(self, number: int, line: list[str]) -> dict[str, Any] | None:
        """A row as JSON would have it; none, and a problem, when it is not as long as the head."""
        width = len(self._names)
        if len(line) < width or any(map(str.strip, line[width:])):
            self._add(f"has {len(line)} cells where the head has {width}; {self._understood()}", number)
            return None
        row = {}
        for name, cell in zip(self._names, line, strict=False):
            field = self._fields.get(name)
            if field is not None and (cell.strip() or _may_be_null(field)):
                row[name] = _typed(cells.value(name, cell), _type_in(field.annotation))
        return _priced(row) if self._section is Section.SERVICES else row

    def _understood(self) -> str:
        return f"the {self.separator} was taken for what separates cells"

    def _read(self, body: bytes) -> Iterator[list[str]]:
        try:
            text = body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self._add(f"not UTF-8, from byte {error.start} on")
            return
        self.separator = _separator(text, COLUMNS[self._section])
        lines = csv.reader(self._bounded(text), strict=True, delimiter=_SIGNS[self.separator])
        try:
            for line in lines:
                self._row_chars = 0
                yield line[: _MOST_COLUMNS + 1]  # too many cells: the rest is not kept
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


def _separator(text: str, known: Sequence[str]) -> Separator:
    """That which makes the most names of columns of the first line; the comma where none does."""
    head = text[:_LONGEST_HEAD].lstrip("\r\n").splitlines()[:1]

    def columns(separator: Separator) -> int:
        return sum(
            name in known for line in csv.reader(head, delimiter=_SIGNS[separator]) for name in _names(line)
        )

    return max(Separator, key=columns)


def _names(head: Sequence[str]) -> list[str]:
    """The names of columns in any case and width; columns without one behind them are none."""
    names = [unicodedata.normalize("NFKC", name).strip().lower() for name in head]
    while names and not names[-1]:
        names.pop()
    return names


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


def _type_in(annotation: Any) -> Any:
    """What a member holds beside null."""
    if get_origin(annotation) is Annotated:
        return _type_in(get_args(annotation)[0])
    kinds = [_type_in(kind) for kind in get_args(annotation) if kind is not NoneType]
    return kinds[0] if len(kinds) == 1 and NoneType in get_args(annotation) else annotation


def _typed(value: Any, type_: Any) -> Any:
    """The value that JSON would have; what is none of its type stays text, for the shape to refuse."""
    if not isinstance(value, str):
        return value
    if type_ is bool:
        return {"true": True, "false": False}.get(value.lower(), value)
    if type_ is int and _WHOLE.fullmatch(value):
        return int(value)
    return value


def _priced(row: dict[str, Any]) -> dict[str, Any]:
    price = {"amount_minor": "price_minor", "currency": "currency"}
    sent = {member: row.pop(column) for member, column in price.items() if column in row}
    return row | {"price": sent}
