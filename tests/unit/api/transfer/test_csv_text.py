"""CSV as spreadsheets write it, and escaped for those that read it."""

import csv
import io
import re
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.transfer.csv_text import fields_of, written
from api.transfer.problems import Problems
from api.transfer.reader import read_csv
from api.transfer.shapes import COLUMNS, Section
from api.transfer.validation import plan_import
from domain.errors import ImportInvalidError

NOW = datetime(2030, 1, 1, tzinfo=UTC)

# What a row may hold: no spaces around it, and no characters that cannot be encoded.
ANY = st.text(st.characters(codec="utf-8"), max_size=20)
NASTY = st.text(st.sampled_from(" ;\t\r\n,'\"=+-@\uff1d\uff0b\uff0d\uff20x"), max_size=12)
TEXT = (ANY | NASTY).map(str.strip)
FORMULA = re.compile("\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


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
@example(name="\uff1d1+1")
@example(name="x;=cmd")
@example(name="x; '\uff0b1")
@example(name="x\n-1")
@example(name='a "b", c\r\nd')
def test_whatever_is_written_is_read_again_and_is_no_formula(name: str) -> None:
    line = {"name": name, "email": None, "phone": None, "sms_opt_in": False}
    content = written(COLUMNS[Section.CUSTOMERS], [line], head=True)
    [_, cells] = csv.reader(io.StringIO(content, newline=""))
    assert not any(FORMULA.match(part) for part in re.split("[;\t\r\n]", cells[0]))
    expected = {"email": None, "phone": None, "sms_opt_in": False} | ({"name": name} if name else {})
    assert read(content) == {1: expected}


@pytest.fixture(scope="module")
def fresh_process() -> Iterator[ProcessPoolExecutor]:
    """A process without other threads: `tracemalloc.stop` may crash one that has them (python/cpython#128679)."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as executor:
        yield executor


def refuse(body: bytes) -> tuple[list[Any], int]:
    """The errors of an import that is refused, and the peak of its memory in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ImportInvalidError) as refused:
            read(body)
        return refused.value.extra["errors"], tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unit", [",", "name", '"\n",', "\ufeff"])
@pytest.mark.parametrize("before", ["", "name\n", "name\nAna\n"])
def test_a_row_of_megabytes_is_refused_before_it_is_cells(
    fresh_process: ProcessPoolExecutor, before: str, unit: str
) -> None:
    body = (before + unit * (8_000_000 // len(unit.encode()))).encode()
    [error], peak = fresh_process.submit(refuse, body).result()
    assert "a row may have 65536 characters at most" in error["message"] or "field larger" in error["message"]
    assert peak < 12 * len(body)


def test_rows_of_many_cells_are_not_kept_whole(fresh_process: ProcessPoolExecutor) -> None:
    body = b"name\n" + (b",x" * 30_000 + b"\n") * 100
    _, peak = fresh_process.submit(refuse, body).result()
    assert peak < 8 * len(body)


def test_a_row_may_be_as_long_as_any_that_can_be_stored() -> None:
    content = "name\nAna\n" + "x" * 60_000 + "\nBen\n"
    assert [row["name"][:3] for row in read(content).values()] == ["Ana", "xxx", "Ben"]


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


def test_every_cell_is_quoted_and_the_file_says_that_it_is_utf_8() -> None:
    line = {"name": "Zo\u00eb", "email": None, "phone": "+1", "sms_opt_in": True}
    assert written(COLUMNS[Section.CUSTOMERS], [line], head=True).encode() == (
        b'\xef\xbb\xbf"name","email","phone","sms_opt_in"\r\n"Zo\xc3\xab","","\'+1","true"\r\n'
    )


def test_many_line_ends_in_a_cell_take_no_time() -> None:
    cell = "x" + "\n" * 60_000 + "x"
    assert read(f'name\n"{cell}"\n') == {1: {"name": cell}}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_separates_cells_is_found_and_told(separator: str) -> None:
    lines = [["Name", " EMAIL", "\uff30\uff28\uff2f\uff2e\uff25", ""], ["Roe, Ann; Dr.", "a@example.com", "", ""]]
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([*lines, ["", "", "", ""], [""]])
    sent = read_csv(text.getvalue().encode(), Section.CUSTOMERS, Problems())
    assert sent.separator is not None
    assert {"comma": ",", "semicolon": ";", "tab": "\t"}[sent.separator] == separator
    assert sent.sections[Section.CUSTOMERS] == {
        1: {"name": "Roe, Ann; Dr.", "email": "a@example.com", "phone": None}
    }


def test_a_row_that_does_not_fit_is_told_by_what_its_cells_were_separated() -> None:
    problems = Problems()
    read_csv(b"name;email\nAnn, Roe\n", Section.CUSTOMERS, problems)
    with pytest.raises(ImportInvalidError, match="the semicolon was taken for what separates cells"):
        problems.refuse()


@pytest.mark.parametrize(
    ("day", "opens"), [("MON", "9:00"), ("Monday", "09:00"), ("mon", "\uff19\uff1a\uff10\uff10")]
)
def test_days_and_hours_are_read_as_people_type_them(day: str, opens: str) -> None:
    plan, problems = plan_import(f"day,opens,closes\n{day},{opens},17:30\n".encode(), Section.HOURS, NOW)
    problems.refuse()
    assert [one.row.model_dump(mode="json") for one in plan.hours] == [
        {"provider": None, "day": "mon", "opens": "09:00", "closes": "17:30"}
    ]


def test_words_and_numbers_are_read_in_any_case_and_width() -> None:
    head = "name,duration_minutes,price_minor,currency,payment_mode"
    row = "\uff23\uff55\uff54,\uff13\uff10,500,eur,NONE"
    plan, problems = plan_import(f"{head}\n{row}\n".encode(), Section.SERVICES, NOW)
    problems.refuse()
    [service] = [one.row for one in plan.services]
    assert (service.name, service.duration_minutes) == ("\uff23\uff55\uff54", 30)
    assert (service.price.currency, service.payment_mode) == ("EUR", "none")
