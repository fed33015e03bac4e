"""Parsing of instants: one spelling for each instant, within a safe range."""

from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.times import Moment, MomentInUrl

MOMENT = TypeAdapter(Moment)
A_LIFETIME = timedelta(days=60 * 365)


@pytest.mark.parametrize("text", ["2026-03-05T12:00:00Z", "2026-03-05T07:00:00-05:00", "2026-03-06T01:45+13:45"])
def test_every_offset_becomes_utc(text: str) -> None:
    moment = MOMENT.validate_python(text)
    assert moment.tzinfo is UTC
    assert moment.isoformat() == "2026-03-05T12:00:00+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-05T12:00:00",
        "2026-03-05",
        "soon",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "2199-12-31T23:59:00-14:00",
        "1970-01-01T00:00:00+14:00",
    ],
)
def test_what_names_no_moment_or_one_out_of_reach_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(text)


@pytest.mark.parametrize(
    "text", ["2026-03-05T13:30:00 01:30", "2026-03-05 13:30 0130", "2026-03-05T12:00:00.5 00:00"]
)
def test_a_plus_that_became_a_blank_on_its_way_is_read_in_a_url_alone(text: str) -> None:
    moment = TypeAdapter(MomentInUrl).validate_python(text)
    assert moment.replace(microsecond=0).isoformat() == "2026-03-05T12:00:00+00:00"
    with pytest.raises(ValidationError):
        MOMENT.validate_python(text)


@pytest.mark.parametrize(
    "text", ["2026-03-05 13:30", "2026-03-05T13:30:00  01:30", "2026-03-05 01:30", "13:30 01:30"]
)
def test_a_blank_stands_for_no_other_plus(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MomentInUrl).validate_python(text)


@given(st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()))
def test_whatever_passes_leaves_room_for_every_deadline(text: str) -> None:
    try:
        moment = MOMENT.validate_python(text)
    except ValidationError:
        return
    assert moment - A_LIFETIME < moment < moment + A_LIFETIME
