"""Holdfast's own statements, for raw asyncpg: taken from the repositories, so that the two cannot drift apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.sql.selectable import TextualSelect

from db.repositories import bookings, calendar, catalogue


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


def bare(statement: TextClause | TextualSelect) -> Statement:
    """The statement as SQLAlchemy would hand it to asyncpg."""
    compiled = statement.compile(dialect=dialect.dialect())  # type: ignore[no-untyped-call]  # as SQLAlchemy has it
    return Statement(sql=str(compiled), names=tuple(compiled.positiontup or ()))


OFFERING = bare(catalogue._OFFERINGS[True, True])
FREE = bare(calendar._FREE)
INSERT = bare(bookings._INSERT)
