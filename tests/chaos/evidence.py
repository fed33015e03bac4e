"""What an invariant is asked of, and what it answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.chaos.facts import Facts
from tests.chaos.history import Call


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an invariant does not hold."""

    invariant: str
    text: str
    booking_id: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The clients' record and what is there afterwards."""

    calls: list[Call]
    facts: Facts

    def of(self, operation: str) -> list[Call]:
        """The calls of one operation."""
        return [call for call in self.calls if call.operation == operation]


Check = Callable[[Evidence], Iterator[tuple[str | None, str]]]
"""Yields the booking, if it is about one, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Invariant:
    name: str
    text: str
    check: Check

    def violations(self, evidence: Evidence) -> list[Violation]:
        """Where it does not hold."""
        return [Violation(self.name, text, booking_id) for booking_id, text in self.check(evidence)]


INVARIANTS: Final[dict[str, Invariant]] = {}
"""All of them by name; the modules `*_invariants` add theirs."""


def invariant(name: str, text: str) -> Callable[[Check], Check]:
    """Register a check under a name, with the sentence that must hold."""

    def register(check: Check) -> Check:
        INVARIANTS[name] = Invariant(name, text, check)
        return check

    return register


def violations(evidence: Evidence) -> list[Violation]:
    """Of all invariants."""
    return [found for one in INVARIANTS.values() for found in one.violations(evidence)]
