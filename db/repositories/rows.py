"""Asking the database for rows.

Statements that are written out go straight to the driver: they are the hot ones, and SQLAlchemy's own way of
executing costs several times what the driver does. Built queries go through SQLAlchemy. Both run on the same
pooled connection, in the same transaction where one is open.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import Executable, TextClause
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from db import transactions

Row = Mapping[str, Any]
"""A row, read by the names of its columns; the driver's records can be read so as well."""
Parameters = Mapping[str, Any]

_STATEMENTS = 256


@lru_cache(maxsize=_STATEMENTS)
def numbered(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """The statement as the driver takes it, with the names of its numbered parameters."""
    compiled = statement.compile(dialect=dialect.dialect())  # type: ignore[no-untyped-call]
    return str(compiled), tuple(compiled.positiontup or ())


async def rows(
    conn: AsyncConnection, statement: Executable, parameters: Parameters | None = None
) -> Sequence[Row]:
    """All rows."""
    if not isinstance(statement, TextClause):
        return cast(Sequence[Row], (await conn.execute(statement, parameters)).mappings().all())
    sql, names = numbered(statement)
    arguments = [(parameters or {})[name] for name in names]
    sync = conn.sync_connection
    assert sync is not None
    driver = cast(asyncpg.Connection, sync.connection.driver_connection)
    try:
        return cast(Sequence[Row], await driver.fetch(sql, *arguments))
    except BaseException as error:
        if not transactions.is_answer(error):
            transactions.discard(sync, error)
        raise


async def row_or_none(
    conn: AsyncConnection, statement: Executable, parameters: Parameters | None = None
) -> Row | None:
    """The one row, or none."""
    found = await rows(conn, statement, parameters)
    if len(found) > 1:
        raise RuntimeError("more than one row where there can be one")
    return found[0] if found else None


async def row(conn: AsyncConnection, statement: Executable, parameters: Parameters | None = None) -> Row:
    """The one row that there must be."""
    found = await row_or_none(conn, statement, parameters)
    if found is None:
        raise RuntimeError("no row where there must be one")
    return found


async def execute(conn: AsyncConnection, statement: TextClause, parameters: Parameters) -> None:
    """Carry out a statement that returns nothing."""
    await rows(conn, statement, parameters)


def as_uuid(value: str) -> UUID | None:
    """The value as a UUID if it is one in its canonical spelling."""
    if len(value) != 36:  # noqa: PLR2004 - the canonical form; a slug may look like the bare hex digits
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def by_id_or_code(business_id: UUID, id_or_code: str) -> dict[str, Any]:
    """The parameters of a look-up within a business by `id` or by `code`; the other one is NULL."""
    key = as_uuid(id_or_code)
    return {"business_id": business_id, "id": key, "code": None if key else id_or_code}
