"""CSV as spreadsheets write it, and as they must not read it."""

import csv
import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.transfer.csv_text import fields_of, written
from api.transfer.problems import Problems
from api.transfer.reading import read_csv
from api.transfer.shapes import COLUMNS, Section

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
    expected = {"email": None, "phone": None, "sms_opt_in": False} | ({"name": name} if name else {})
    assert read(content) == {1: expected}


def test_lists_prices_and_what_is_empty_become_what_json_has() -> None:
    head = "name,duration_minutes,required_skills,price_minor,currency,horizon_days,capacity"
    assert read(f"{head}\nCut,30,a; b  c,5,,,\n", Section.SERVICES) == {
        1: {
            "name": "Cut",
            "duration_minutes": 30,
            "required_skills": ["a", "b", "c"],
            "price": {"amount_minor": 5, "currency": None},
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
