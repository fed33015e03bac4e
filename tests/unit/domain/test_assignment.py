"""Who is asked first."""

import itertools
from dataclasses import dataclass
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.assignment import best_first


@dataclass(frozen=True)
class Somebody:
    provider_id: UUID
    rating: float


def test_the_highest_rating_is_asked_first() -> None:
    good, better, best = (Somebody(UUID(int=n), rating) for n, rating in enumerate((4.5, 4.7, 4.9)))
    assert best_first([better, good, best]) == [best, better, good]


def test_among_equals_the_order_is_the_same_whoever_comes_first() -> None:
    equals = [Somebody(UUID(int=n), 4.5) for n in range(4)]
    orders = {tuple(best_first(order)) for order in itertools.permutations(equals)}
    assert orders == {tuple(equals)}


def test_nobody_is_nobody() -> None:
    assert best_first([]) == []


@given(st.lists(st.builds(Somebody, st.uuids(), st.floats(0, 5)), unique_by=lambda s: s.provider_id))
def test_everybody_is_asked_once_and_never_a_worse_one_before_a_better(candidates: list[Somebody]) -> None:
    ordered = best_first(candidates)
    assert set(ordered) == set(candidates)
    assert len(ordered) == len(candidates)
    assert all(first.rating >= second.rating for first, second in itertools.pairwise(ordered))
