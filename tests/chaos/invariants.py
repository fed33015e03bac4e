"""Invariants: a registry of checks, their input and their results."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.chaos.facts import Facts
from tests.chaos.history import Call


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of an invariant."""

    invariant: str
    text: str
    booking_id: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The clients' calls, and the state of all systems after the cell."""

    calls: list[Call]
    facts: Facts

    def of(self, operation: str) -> list[Call]:
        """The calls of one operation."""
        return [call for call in self.calls if call.operation == operation]


Check = Callable[[Evidence], Iterator[tuple[str | None, str]]]
"""Yields the affected booking, if any, and the error."""


@dataclass(frozen=True, slots=True)
class Invariant:
    name: str
    text: str
    check: Check

    def violations(self, evidence: Evidence) -> list[Violation]:
        """All violations of this invariant."""
        return [Violation(self.name, text, booking_id) for booking_id, text in self.check(evidence)]


INVARIANTS: Final[dict[str, Invariant]] = {}
"""All invariants by name; the modules `*_invariants` register theirs."""


def invariant(name: str, text: str) -> Callable[[Check], Check]:
    """Register a check under a name, with the statement that must hold."""

    def register(check: Check) -> Check:
        INVARIANTS[name] = Invariant(name, text, check)
        return check

    return register


def violations(evidence: Evidence) -> list[Violation]:
    """The violations of all invariants."""
    return [found for one in INVARIANTS.values() for found in one.violations(evidence)]
