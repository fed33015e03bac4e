"""Alembic's entry point: migrate over asyncpg, one process at a time, and give the application its rights."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from db import grants
from db.engine import async_url
from db.models import Base

# Held for the length of a migration, so that several processes starting at once do not trip over each other.
_ADVISORY_LOCK = 0x486F6C64


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        # Who waits for a table's lock holds up all who come later: better to give up, and to be run again.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.run_migrations()
        _grant(connection)


def _grant(connection: Connection) -> None:
    """What an upgrade to the newest schema ends with."""
    attributes = context.config.attributes
    if role := attributes.get("app_role"):
        attributes["is_separate"] = grants.apply(connection, role)


async def _main() -> None:
    engine = create_async_engine(async_url(context.config.attributes["database_url"]), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_main())
