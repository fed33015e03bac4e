"""Validation across rows of an import, and how problems are reported."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from api.transfer.problems import MOST_LISTED
from api.transfer.reader import MOST_ROWS
from api.transfer.validation import plan_import
from domain.errors import ImportInvalidError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


def refused(document: Json) -> ImportInvalidError:
    """What an import is told that must be wrong."""
    _, problems = plan_import(json.dumps(document).encode(), None, NOW)
    with pytest.raises(ImportInvalidError) as error:
        problems.refuse()
    return error.value


def problems_of(section: str, rows: list[Json]) -> list[tuple[int, str]]:
    return [(one["row"], one["message"]) for one in refused({section: rows}).extra["errors"]]


def hours(opens: str, closes: str, day: str = "mon", provider: str | None = None) -> Json:
    return {"provider": provider, "day": day, "opens": opens, "closes": closes}


def test_each_row_that_overlaps_one_before_it_is_told_once() -> None:
    rows = [
        hours("09:00", "12:00"),
        hours("09:00", "12:00"),
        hours("11:00", "13:00"),
        hours("12:00", "13:00"),
        hours("09:00", "12:00", provider="ana"),
        hours("22:00", "10:00", day="sun"),
    ]
    assert problems_of("hours", rows) == [(2, "overlaps row 1"), (3, "overlaps row 1"), (6, "overlaps row 1")]


def test_nobody_has_more_hours_intervals_or_areas_than_the_api_takes() -> None:
    many = [hours(f"{n // 60:02}:{n % 60:02}", f"{(n + 1) // 60:02}:{(n + 1) % 60:02}") for n in range(201)]
    assert problems_of("hours", many) == [(201, "there may be 200 of these at most")]
    date = {"date": "2030-01-01", "kind": "extra"}
    intervals = [date | {"opens": one["opens"], "closes": one["closes"]} for one in many[:25]]
    assert problems_of("exceptions", intervals) == [(25, "there may be 24 of these at most")]
    areas = [{"kind": "exact", "code": f"{n:05}"} for n in range(2001)]
    assert problems_of("areas", areas) == [(2001, "there may be 2000 of these at most")]


def test_the_rows_of_one_date_are_one_exception() -> None:
    date = {"date": "2030-01-01"}
    rows = [
        date | {"kind": "closed"},
        date | {"kind": "closed"},
        date | {"kind": "closed", "name": "Other"},
        date | {"kind": "closed", "provider": "ana"},
    ]
    assert problems_of("exceptions", rows) == [
        (2, "row 1 speaks of this date"),
        (3, "row 1 speaks of this date with another kind, name or yearly"),
    ]


def test_all_errors_are_counted_and_some_hundred_listed() -> None:
    error = refused({"areas": [{"kind": "exact"}] * (MOST_LISTED + 7)})
    assert (len(error.extra["errors"]), error.extra["errors_total"]) == (MOST_LISTED, MOST_LISTED + 7)
    assert error.detail.startswith("507 errors, nothing was stored. The first: areas, row 1: 'exact' has a code")


def test_a_document_a_row_or_a_policy_of_countless_members_is_one_error() -> None:
    vast = {f"m{n}": None for n in range(100_000)}
    assert problems_of("areas", [vast]) == [(1, "has more members than any row can have")]
    assert refused(vast).extra["errors_total"] == 1
    for policy in (vast, {"backoff": vast}):
        assert refused({"business": {"policy": policy}}).extra["errors_total"] == 1


def test_as_many_rows_as_may_be_are_counted_over_all_sections() -> None:
    rows = [None] * (MOST_ROWS // 2)
    with pytest.raises(ImportInvalidError, match="20001 rows; at most 20000 rows in one import: split it"):
        plan_import(json.dumps({"areas": [*rows, None], "hours": rows}).encode(), None, NOW)
    assert refused({"areas": rows, "hours": rows}).extra["errors_total"] == MOST_ROWS
