"""Execution of statements.

Text statements go directly to the driver: they are on the hot paths, and SQLAlchemy's own execution costs several
times as much. Built queries go through SQLAlchemy. Both use the same pooled connection, and the same transaction
if one is open.
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
"""A row by column names; the driver's records have the same interface."""
Parameters = Mapping[str, Any]

_STATEMENTS = 256


@lru_cache(maxsize=_STATEMENTS)
def numbered(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """The statement in the driver's syntax, with the names of its numbered parameters."""
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
    """Exactly one row."""
    found = await row_or_none(conn, statement, parameters)
    if found is None:
        raise RuntimeError("no row where there must be one")
    return found


async def execute(conn: AsyncConnection, statement: TextClause, parameters: Parameters) -> None:
    """Execute a statement without a result."""
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
