"""Parsing a body into numbered rows. Their number is checked before their content."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from api.transfer.csv_text import Sheet
from api.transfer.problems import Problems
from api.transfer.shapes import VERSION, Section, Separator
from domain.errors import ImportInvalidError
from runtime.json import UnfitJsonError, parse_untrusted

MOST_BYTES: Final = 16 * 1024 * 1024
MOST_ROWS: Final = 20_000
_MOST_MEMBERS: Final = 50
_MOST_PARTS: Final = 500_000
"""Objects and lists that so many rows can have, and some to spare."""
_BOM: Final = b"\xef\xbb\xbf"

_SECTIONS: Final = {str(section): section for section in Section}

Members = dict[str, Any]


@dataclass
class Sent:
    """What was sent; of each section its rows by number, from 1."""

    business: Members | None = None
    sections: dict[Section, dict[int, Members]] = field(default_factory=dict)
    separator: Separator | None = None
    """Of CSV: what was found between its cells."""

    @property
    def flat(self) -> bool:
        """Whether it was CSV."""
        return self.separator is not None


def read_json(body: bytes, problems: Problems) -> Sent:
    """The sections of a document.

    Raises:
        ImportInvalidError: it has too many rows, or is none.
    """
    parts = body.count(b"{") + body.count(b"[")
    _refuse_more(_MOST_PARTS, parts, "objects and lists")  # before they use memory
    document = _document(body, problems)
    _refuse_more(MOST_ROWS, sum(len(rows) for name in Section if isinstance(rows := document.get(name), list)))
    sent = Sent()
    if len(document) > _MOST_MEMBERS:
        problems.add("", 0, "has more members than any import can have")
        return sent
    for name, content in document.items():
        if name in _SECTIONS:
            sent.sections[_SECTIONS[name]] = _rows(_SECTIONS[name], content, problems)
        elif name == "business":
            sent.business = _one("business", 0, content, problems)
        elif name != "version":
            problems.add("", 0, "there is no such section", (name,))
        elif type(content) is not int or content != VERSION:
            problems.add("", 0, f"only version {VERSION} is understood", (name,))
    return sent


def read_csv(body: bytes, section: Section, problems: Problems) -> Sent:
    """The rows of one section.

    Raises:
        ImportInvalidError: there are too many of them.
    """
    sheet = Sheet(section, body, problems)
    rows = sheet.rows()
    kept = list(islice(rows, MOST_ROWS))
    _refuse_more(MOST_ROWS, len(kept) + _count(rows))
    sent = Sent(sections={section: {}}, separator=sheet.separator)
    if problems.total == 0 and sheet.check_head():
        read = ((number, sheet.members(number, line)) for number, line in kept)
        sent.sections[section] = {number: members for number, members in read if members is not None}
    return sent


def _document(body: bytes, problems: Problems) -> Members:
    try:
        document = parse_untrusted(body.removeprefix(_BOM))
    except UnfitJsonError as error:
        problems.add("", 0, str(error))
    else:
        if isinstance(document, dict):
            return document
        problems.add("", 0, "not an object with sections")
    problems.refuse()
    raise AssertionError


def _rows(section: Section, content: Any, problems: Problems) -> dict[int, Members]:
    if not isinstance(content, list):
        problems.add(section, 0, "not a list of rows")
        return {}
    read = ((number, _one(section, number, row, problems)) for number, row in enumerate(content, start=1))
    return {number: members for number, members in read if members is not None}


def _one(section: str, number: int, row: Any, problems: Problems) -> Members | None:
    if not isinstance(row, dict):
        problems.add(section, number, "not an object")
    elif len(row) > _MOST_MEMBERS:
        problems.add(section, number, "has more members than any row can have")
    else:
        return row
    return None


def _refuse_more(most: int, count: int, of: str = "rows") -> None:
    if count > most:
        detail = f"{count} {of}; at most {MOST_ROWS} rows in one import: split it. Nothing was stored."
        raise ImportInvalidError(detail, errors=[], errors_total=0)


def _count(rows: Iterable[object]) -> int:
    return sum(1 for _ in rows)
