"""Alembic's entry point: run the migrations over asyncpg, one process at a time."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from db.engine import async_url
from db.models import Base

# Held for the length of a migration, so that several processes starting at once do not trip over each other.
_ADVISORY_LOCK = 0x486F6C64


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        context.run_migrations()


async def _main() -> None:
    engine = create_async_engine(async_url(context.config.attributes["database_url"]), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_main())
