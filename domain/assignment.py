"""Assignment strategies: the order in which free providers are asked, and why one was chosen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class AssignmentStrategy(StrEnum):
    HIGHEST_RATING = "highest_rating"
    ROUND_ROBIN = "round_robin"
    """Whose last assignment is longest ago."""
    LEAST_BUSY = "least_busy"
    """Who has the fewest booked minutes on that day."""
    PREFERRED_FIRST = "preferred_first"
    """The provider the customer prefers, else the one who served them last, else the highest rated."""


DEPENDS_ON_LAST_CHOICE: Final = frozenset({AssignmentStrategy.ROUND_ROBIN, AssignmentStrategy.LEAST_BUSY})
"""Strategies whose choice depends on the choice before it: their choices are made one after the other."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A free provider, with what strategies compare."""

    provider_id: UUID
    rating: float
    auto_accept: bool | None = None
    last_assigned_at: datetime | None = None
    booked_minutes: int = 0
    """Minutes reserved on the local day of the appointment; 0 when the strategy does not compare them."""
    is_preferred: bool = False
    """The customer prefers them."""
    served_last: bool = False
    """They served the customer last."""
    seats_taken: int = 0
    """Of the group session that the appointment would join; 0: it opens a session, or is for one customer."""


class Choice(BaseModel):
    """Why a provider was chosen; kept with the booking. Ids and figures only."""

    model_config = ConfigDict(frozen=True)

    strategy: AssignmentStrategy | None
    """None: somebody named the provider."""
    provider_id: UUID
    candidates: int
    """How many were free."""
    because: str


_NEVER = datetime.min.replace(tzinfo=UTC)


def _by_rating(candidate: Candidate) -> tuple[Any, ...]:
    return (-candidate.rating,)


def _by_turn(candidate: Candidate) -> tuple[Any, ...]:
    return (candidate.last_assigned_at or _NEVER,)


def _by_load(candidate: Candidate) -> tuple[Any, ...]:
    return candidate.booked_minutes, -candidate.rating


def _by_preference(candidate: Candidate) -> tuple[Any, ...]:
    return not candidate.is_preferred, not candidate.served_last, -candidate.rating


_ORDERS: Final[MappingProxyType[AssignmentStrategy, Callable[[Candidate], tuple[Any, ...]]]] = MappingProxyType(
    {
        AssignmentStrategy.HIGHEST_RATING: _by_rating,
        AssignmentStrategy.ROUND_ROBIN: _by_turn,
        AssignmentStrategy.LEAST_BUSY: _by_load,
        AssignmentStrategy.PREFERRED_FIRST: _by_preference,
    }
)


def ranked(strategy: AssignmentStrategy, candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates in the order in which they are asked; the id breaks ties."""
    order = _ORDERS[strategy]
    return sorted(candidates, key=lambda one: (*_by_session(strategy, one), *order(one), one.provider_id))


def _by_session(strategy: AssignmentStrategy, candidate: Candidate) -> tuple[Any, ...]:
    """An open session is filled before another one opens; the customer's preference comes first."""
    if strategy is AssignmentStrategy.PREFERRED_FIRST:
        return not candidate.is_preferred, not candidate.served_last, -candidate.seats_taken
    return (-candidate.seats_taken,)


def choice_of(strategy: AssignmentStrategy, chosen: Candidate, candidates: int) -> Choice:
    """Why this candidate was chosen among so many free ones."""
    return Choice(
        strategy=strategy,
        provider_id=chosen.provider_id,
        candidates=candidates,
        because=f"{_reason(strategy, chosen)}; {_of(candidates)}",
    )


def named_choice(provider_id: UUID) -> Choice:
    """The choice of a person: this provider was asked for by name."""
    return Choice(strategy=None, provider_id=provider_id, candidates=1, because="asked for by name")


def _reason(strategy: AssignmentStrategy, chosen: Candidate) -> str:
    if strategy is AssignmentStrategy.PREFERRED_FIRST and (chosen.is_preferred or chosen.served_last):
        return "the customer's preference" if chosen.is_preferred else "served this customer the last time"
    if chosen.seats_taken:
        return f"has a session with free seats, {chosen.seats_taken} taken"
    match strategy:
        case AssignmentStrategy.ROUND_ROBIN if chosen.last_assigned_at is None:
            return "has not had a turn yet"
        case AssignmentStrategy.ROUND_ROBIN:
            assert chosen.last_assigned_at is not None
            return f"longest without a turn, since {chosen.last_assigned_at:%Y-%m-%dT%H:%M:%SZ}"
        case AssignmentStrategy.LEAST_BUSY:
            return f"least busy that day, {chosen.booked_minutes} minutes booked"
        case _:
            return f"highest rating, {chosen.rating:.2f}"


def _of(candidates: int) -> str:
    return "the only one free" if candidates == 1 else f"one of {candidates} who were free"
