"""Which provider is asked first, and the reason."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.assignment import (
    DEPENDS_ON_LAST_CHOICE,
    AssignmentStrategy,
    Candidate,
    choice_of,
    named_choice,
    ranked,
)
from tests.support.domain.builders import ANA, BEN, CHO, NOW

HIGHEST_RATING, ROUND_ROBIN = AssignmentStrategy.HIGHEST_RATING, AssignmentStrategy.ROUND_ROBIN
LEAST_BUSY, PREFERRED_FIRST = AssignmentStrategy.LEAST_BUSY, AssignmentStrategy.PREFERRED_FIRST
AN_HOUR = timedelta(hours=1)

candidates = st.builds(
    Candidate,
    provider_id=st.uuids(),
    rating=st.sampled_from([0.0, 4.5, 5.0]) | st.floats(0, 5),
    last_assigned_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    booked_minutes=st.integers(0, 3) | st.integers(0, 1440),
    is_preferred=st.booleans(),
    served_last=st.booleans(),
    seats_taken=st.integers(0, 3),
)
groups = st.lists(candidates, max_size=8, unique_by=lambda candidate: candidate.provider_id)
strategies = st.sampled_from(AssignmentStrategy)


def ana(**traits: Any) -> Candidate:
    return Candidate(ANA, **{"rating": 4.5, **traits})


def ben(**traits: Any) -> Candidate:
    return Candidate(BEN, **{"rating": 4.5, **traits})


def cho(**traits: Any) -> Candidate:
    return Candidate(CHO, **{"rating": 4.5, **traits})


def order(strategy: AssignmentStrategy, *free: Candidate) -> list[UUID]:
    """The order in which they are asked, which is the same whoever comes first."""
    orders = {tuple(ranked(strategy, given_order)) for given_order in itertools.permutations(free)}
    assert len(orders) == 1
    return [candidate.provider_id for candidate in orders.pop()]


def test_the_highest_rating_is_asked_first() -> None:
    busy = ben(rating=4.9, booked_minutes=400, last_assigned_at=NOW)
    assert order(HIGHEST_RATING, ana(rating=4.7, is_preferred=True), busy, cho(rating=4.8)) == [BEN, CHO, ANA]


def test_in_turns_whoever_waits_longest_is_asked_first_and_whoever_had_no_turn_before_them() -> None:
    recent, before = ana(rating=5.0, last_assigned_at=NOW), ben(last_assigned_at=NOW - AN_HOUR)
    assert order(ROUND_ROBIN, recent, before, cho(rating=1.0)) == [CHO, BEN, ANA]


def test_taking_turns_goes_round() -> None:
    free, turns = [ana(), ben(), cho()], []
    for hour in range(6):
        chosen = ranked(ROUND_ROBIN, free)[0]
        turns.append(chosen.provider_id)
        free.remove(chosen)
        free.append(Candidate(chosen.provider_id, chosen.rating, last_assigned_at=NOW + hour * AN_HOUR))
    assert turns == [ANA, BEN, CHO, ANA, BEN, CHO]


def test_whoever_has_least_to_do_that_day_is_asked_first_and_the_rating_decides_between_equals() -> None:
    assert order(LEAST_BUSY, ana(rating=5.0, booked_minutes=60), ben(booked_minutes=30), cho(rating=4.6)) == [
        CHO,
        BEN,
        ANA,
    ]
    assert order(LEAST_BUSY, ana(), ben(rating=4.6), cho(rating=4.4)) == [BEN, ANA, CHO]


def test_the_customers_preference_comes_before_whom_they_had_and_that_before_the_rating() -> None:
    assert order(PREFERRED_FIRST, ana(rating=5.0), ben(served_last=True), cho(is_preferred=True, rating=1.0)) == [
        CHO,
        BEN,
        ANA,
    ]
    assert order(PREFERRED_FIRST, ana(), ben(rating=4.6), cho(rating=4.4)) == [BEN, ANA, CHO]


@pytest.mark.parametrize("strategy", AssignmentStrategy)
def test_among_equals_the_id_decides(strategy: AssignmentStrategy) -> None:
    assert order(strategy, ben(), cho(), ana()) == [ANA, BEN, CHO]


@given(strategies, groups)
def test_everybody_is_asked_once_and_in_one_order(strategy: AssignmentStrategy, free: list[Candidate]) -> None:
    ranking = ranked(strategy, free)
    assert sorted(ranking, key=lambda one: one.provider_id) == sorted(free, key=lambda one: one.provider_id)
    assert ranked(strategy, reversed(free)) == ranking


@given(strategies, groups)
def test_who_is_left_is_asked_in_the_order_as_before(strategy: AssignmentStrategy, free: list[Candidate]) -> None:
    ranking = ranked(strategy, free)
    assert ranked(strategy, [one for one in free if one not in ranking[:1]]) == ranking[1:]


def test_only_what_was_assigned_just_before_makes_choices_wait_for_each_other() -> None:
    assert {ROUND_ROBIN, LEAST_BUSY} == DEPENDS_ON_LAST_CHOICE


@pytest.mark.parametrize(
    ("strategy", "chosen", "because"),
    [
        (HIGHEST_RATING, ana(rating=4.666), "highest rating, 4.67"),
        (ROUND_ROBIN, ana(), "has not had a turn yet"),
        (
            ROUND_ROBIN,
            ana(last_assigned_at=datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
            "longest without a turn, since 2026-03-01T09:30:00Z",
        ),
        (LEAST_BUSY, ana(booked_minutes=90), "least busy that day, 90 minutes booked"),
        (PREFERRED_FIRST, ana(is_preferred=True, served_last=True), "the customer's preference"),
        (PREFERRED_FIRST, ana(served_last=True), "served this customer the last time"),
        (PREFERRED_FIRST, ana(), "highest rating, 4.50"),
    ],
)
def test_a_choice_says_why(strategy: AssignmentStrategy, chosen: Candidate, because: str) -> None:
    choice = choice_of(strategy, chosen, 3)
    assert (choice.strategy, choice.provider_id, choice.candidates) == (strategy, ANA, 3)
    assert choice.because == f"{because}; one of 3 who were free"
    assert choice_of(strategy, chosen, 1).because == f"{because}; the only one free"


def test_who_was_asked_for_by_name_needs_no_strategy() -> None:
    choice = named_choice(BEN)
    assert (choice.strategy, choice.provider_id, choice.candidates) == (None, BEN, 1)
    assert choice.because == "asked for by name"


@given(strategies, candidates, st.integers(1, 50))
def test_a_choice_is_read_back_as_it_was_kept(strategy: AssignmentStrategy, chosen: Candidate, free: int) -> None:
    choice = choice_of(strategy, chosen, free)
    assert type(choice).model_validate_json(choice.model_dump_json()) == choice


@pytest.mark.parametrize("strategy", AssignmentStrategy)
def test_a_session_that_has_begun_is_filled_before_another_is_opened(strategy: AssignmentStrategy) -> None:
    fuller = ana(rating=1.0, last_assigned_at=NOW, booked_minutes=400, seats_taken=2)
    begun = ben(rating=1.0, last_assigned_at=NOW, booked_minutes=400, seats_taken=1)
    assert order(strategy, cho(rating=5.0), begun, fuller) == [ANA, BEN, CHO]
    because = choice_of(strategy, fuller, 3).because
    assert because == "has a session with free seats, 2 taken; one of 3 who were free"


@pytest.mark.parametrize("wish", ["is_preferred", "served_last"])
def test_whom_the_customer_wants_goes_before_a_session_that_has_begun(wish: str) -> None:
    preferred, begun = ana(**{wish: True}), ben(seats_taken=2)
    assert order(PREFERRED_FIRST, begun, preferred) == [ANA, BEN]
    for strategy in (HIGHEST_RATING, ROUND_ROBIN, LEAST_BUSY):
        assert order(strategy, begun, preferred) == [BEN, ANA]
