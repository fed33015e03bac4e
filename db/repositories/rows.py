"""Small shapes of asking the database for rows."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Executable, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection


async def row_or_none(
    conn: AsyncConnection, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> RowMapping | None:
    """The one row, or none."""
    return (await conn.execute(statement, parameters)).mappings().one_or_none()


async def rows(
    conn: AsyncConnection, statement: Executable, parameters: Mapping[str, Any] | None = None
) -> list[RowMapping]:
    """All rows."""
    return list((await conn.execute(statement, parameters)).mappings())
