"""CSV as spreadsheets write it, and as they must not read it."""

import csv
import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.transfer.csv_text import fields_of, written
from api.transfer.problems import Problems
from api.transfer.reading import read_csv
from api.transfer.shapes import COLUMNS, Section
from domain.errors import ImportInvalidError

# What a row may hold: no spaces around it, and no characters that cannot be encoded.
TEXT = st.text(st.characters(codec="utf-8"), max_size=20).map(str.strip)


def read(content: str | bytes, section: Section = Section.CUSTOMERS) -> dict[int, Any]:
    problems = Problems()
    body = content.encode() if isinstance(content, str) else content
    sent = read_csv(body, section, problems)
    problems.refuse()
    return sent.sections[section]


@given(name=TEXT)
@example(name="=1+1")
@example(name="'=1+1")
@example(name="''+1")
@example(name="'t Hooft")
@example(name='a "b", c\r\nd')
def test_whatever_is_written_is_read_again_and_is_no_formula(name: str) -> None:
    line = {"name": name, "email": None, "phone": None, "sms_opt_in": False}
    content = written(COLUMNS[Section.CUSTOMERS], [line], head=True)
    [_, cells] = csv.reader(io.StringIO(content, newline=""))
    assert not cells[0].startswith(("=", "+", "-", "@"))
    expected = {"email": None, "phone": None, "sms_opt_in": "false"} | ({"name": name} if name else {})
    assert read(content) == {1: expected}


@pytest.mark.parametrize("unit", [",", "name", '"\n",', "\ufeff"])
@pytest.mark.parametrize("before", ["", "name\n", "name\nAna\n"])
def test_a_row_of_megabytes_is_refused_before_it_is_cells(before: str, unit: str) -> None:
    body = (before + unit * (8_000_000 // len(unit.encode()))).encode()
    tracemalloc.start()
    with pytest.raises(ImportInvalidError) as refused:
        read(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    [error] = refused.value.extra["errors"]
    assert "a row may have 65536 characters at most" in error["message"] or "field larger" in error["message"]
    assert peak < 12 * len(body)


def test_rows_of_many_cells_are_not_kept_whole() -> None:
    body = b"name\n" + (b"," * 60_000 + b"\n") * 100
    tracemalloc.start()
    with pytest.raises(ImportInvalidError):
        read(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(body)


def test_a_row_may_be_as_long_as_any_that_can_be_stored() -> None:
    content = "name\nAna\n" + "x" * 60_000 + "\nBen\n"
    assert [row["name"][:3] for row in read(content).values()] == ["Ana", "xxx", "Ben"]


def test_lists_prices_and_what_is_empty_become_what_json_has() -> None:
    head = "name,duration_minutes,required_skills,price_minor,currency,horizon_days,capacity"
    assert read(f"{head}\nCut,30,a; b  c,5,,,\n", Section.SERVICES) == {
        1: {
            "name": "Cut",
            "duration_minutes": "30",
            "required_skills": ["a", "b", "c"],
            "price": {"amount_minor": "5", "currency": None},
            "horizon_days": None,
        }
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_line_ends_and_spaces_around_names_do_not_matter(end: str) -> None:
    assert read(f"\ufeffname , email{end}{end}Ann, a@example.com {end}") == {
        2: {"name": "Ann", "email": "a@example.com"}
    }


@pytest.mark.parametrize("section", list(Section))
def test_every_column_is_a_member_of_the_row(section: Section) -> None:
    assert list(fields_of(section)) == list(COLUMNS[section])
