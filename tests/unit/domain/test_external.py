"""External calendars: valid content, what is stored, and when it is stale."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.external import (
    MAX_SPANS,
    OnStale,
    SourceAnswer,
    SourceState,
    TimeKind,
    adopted_as_of,
    freshness,
    is_closed,
    state_of,
    times_within,
)

NOON = datetime(2030, 3, 1, 12, tzinfo=UTC)
TOMORROW = NOON + timedelta(days=1)


def at(hour: float) -> str:
    return (NOON + timedelta(hours=hour - 12)).isoformat()


def span(from_: float, until: float) -> dict[str, str]:
    return {"from": at(from_), "until": at(until)}


def answer(*providers: dict[str, Any], **changes: Any) -> SourceAnswer:
    return SourceAnswer.model_validate_json(json.dumps({"as_of": at(12), "providers": list(providers)} | changes))


def kept(*providers: dict[str, Any]) -> list[tuple[str, TimeKind, float, float]]:
    """Provider, kind, and hours of that day."""
    hours = [
        (time.provider_ref, time.kind, *(12 + (moment - NOON) / timedelta(hours=1) for moment in _ends(time)))
        for time in times_within(answer(*providers), NOON, TOMORROW)
    ]
    return sorted(hours)  # type: ignore[arg-type]


def _ends(time: Any) -> tuple[datetime, datetime]:
    return time.starts_at, time.ends_at


def test_times_that_overlap_or_touch_become_one_for_each_provider_and_kind() -> None:
    ana = {"ref": "ana", "busy": [span(16, 17), span(13, 15), span(14, 16), span(20, 21)], "open": [span(12, 22)]}
    assert kept(ana, {"ref": "ben", "busy": [span(14, 15)]}) == [
        ("ana", TimeKind.BUSY, 13, 17),
        ("ana", TimeKind.BUSY, 20, 21),
        ("ana", TimeKind.OPEN, 12, 22),
        ("ben", TimeKind.BUSY, 14, 15),
    ]


def test_a_provider_who_is_named_twice_has_what_both_say() -> None:
    one, other = (
        {"ref": "ana", "busy": [span(13, 14)]},
        {"ref": "ana", "busy": [span(15, 16)], "open": [span(12, 18)]},
    )
    assert kept(one, other) == [
        ("ana", TimeKind.BUSY, 13, 14),
        ("ana", TimeKind.BUSY, 15, 16),
        ("ana", TimeKind.OPEN, 12, 18),
    ]


def test_what_lies_outside_the_window_is_not_kept_and_what_reaches_into_it_is_kept_whole() -> None:
    assert kept({"ref": "ana", "busy": [span(1, 12), span(11, 13), span(35, 40), span(36, 37)]}) == [
        ("ana", TimeKind.BUSY, 11, 13),
        ("ana", TimeKind.BUSY, 35, 40),
    ]


@pytest.mark.parametrize("open_", [[], [span(1, 5)]], ids=["empty", "all of it over"])
def test_open_time_that_is_given_and_none_closes_the_provider_for_the_whole_window(open_: list[Any]) -> None:
    assert kept({"ref": "ana", "busy": [span(13, 14)], "open": open_}) == [("ana", TimeKind.BUSY, 12, 36)]


def test_without_open_time_the_house_s_own_hours_are_left_alone() -> None:
    assert kept({"ref": "ana"}, {"ref": "ben", "busy": [], "open": None}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"providers": [{"ref": "ana", "busy": [{"from": "2030-03-01T13:00:00", "until": at(14)}]}]},
        {"as_of": "2030-03-01T12:00:00"},
        {"as_of": 1_900_000_000},
        {"providers": [{"ref": "ana", "busy": [span(14, 14)]}]},
        {"providers": [{"ref": "ana", "open": [span(14, 13)]}]},
        {"providers": [{"ref": 7}]},
        {"providers": [{"ref": ""}]},
        {"providers": {"ana": []}},
        {"as_of": "0001-01-01T00:00:00Z"},
        {"providers": [{"ref": "ana", "busy": [span(13, 14)] * (MAX_SPANS + 1)}]},
    ],
    ids=[
        "naive time",
        "naive as_of",
        "as_of as a number",
        "no length",
        "backwards",
        "ref as a number",
        "empty ref",
        "no list",
        "a year out of reach",
        "too much",
    ],
)
def test_an_answer_that_is_wrong_anywhere_is_refused_as_a_whole(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        answer(**wrong)


def test_members_that_we_do_not_know_are_passed_over() -> None:
    assert answer({"ref": "ana", "colour": "blue"}, version=3).providers[0].ref == "ana"


def test_data_are_fresh_up_to_their_greatest_age() -> None:
    assert state_of(None, 900, NOON) is SourceState.WAITING
    assert state_of(NOON - timedelta(seconds=900), 900, NOON) is SourceState.FRESH
    assert state_of(NOON - timedelta(seconds=901), 900, NOON) is SourceState.STALE
    assert state_of(NOON + timedelta(seconds=5), 900, NOON) is SourceState.FRESH


def test_the_age_is_told_and_never_negative() -> None:
    assert freshness(None, 900, NOON).age_seconds is None
    assert freshness(NOON - timedelta(seconds=61.5), 900, NOON).age_seconds == 61
    assert freshness(NOON + timedelta(seconds=5), 900, NOON).age_seconds == 0


@pytest.mark.parametrize("state", SourceState)
def test_only_a_business_that_will_not_do_without_its_source_is_closed_by_its_silence(state: SourceState) -> None:
    assert not is_closed(OnStale.OPEN, state)
    assert is_closed(OnStale.CLOSED, state) is (state is not SourceState.FRESH)


def test_only_an_answer_that_is_newer_is_adopted() -> None:
    known = NOON - timedelta(minutes=5)
    assert adopted_as_of(known, known, NOON) is None
    assert adopted_as_of(known - timedelta(seconds=1), known, NOON) is None
    assert adopted_as_of(known + timedelta(seconds=1), known, NOON) == known + timedelta(seconds=1)
    assert adopted_as_of(known, None, NOON) == known


def test_an_answer_from_the_future_counts_as_one_of_now() -> None:
    assert adopted_as_of(TOMORROW, NOON - timedelta(minutes=5), NOON) == NOON
