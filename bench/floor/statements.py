"""Holdfast's own statements, for raw asyncpg: taken from the repositories, so that the two cannot drift apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause

from db.repositories import availability, booking_writes, services
from db.repositories.rows import numbered


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver takes it, with the names of its numbered parameters."""

    sql: str
    names: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of their numbers.

        Raises:
            KeyError: the statement asks for one that is not there.
        """
        return [values[name] for name in self.names]


def bare(statement: TextClause) -> Statement:
    """The statement as Holdfast hands it to asyncpg."""
    return Statement(*numbered(statement))


OFFERING = bare(services.OFFERINGS[True, True])
CALENDAR = bare(availability.CALENDAR)
INSERT = bare(booking_writes.INSERT)
