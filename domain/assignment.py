"""Which of the providers who are free is asked first."""

from collections.abc import Iterable
from typing import Protocol, TypeVar
from uuid import UUID


class Rated(Protocol):
    @property
    def provider_id(self) -> UUID: ...
    @property
    def rating(self) -> float: ...


R = TypeVar("R", bound=Rated)


def best_first(candidates: Iterable[R]) -> list[R]:
    """The highest rating first; among equals the id decides, so that the order is the same everywhere."""
    return sorted(candidates, key=lambda candidate: (-candidate.rating, candidate.provider_id))
