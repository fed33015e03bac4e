"""The bench's own view of the databases: preparing them, and reading when what was committed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from dev.postgres import EmbeddedPostgres
from dev.postgres_data import SUPERUSER

FLOOR_DATABASE = "bench_floor"
ANNEX_DATABASE = "bench_annex"

BUSY = """
SELECT EXISTS (SELECT 1 FROM bookings WHERE version = 1)
    OR EXISTS (
        SELECT 1 FROM bookings b WHERE b.created_at > now() - interval '2 minutes'
        AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.business_id = b.business_id AND m.booking_id = b.id))
"""
"""Whether a booking waits for its first step or anybody has yet to be told."""

# History rows and steps are inserted once and never touched again, so that xmin is the transaction that made them.
# The stamp is taken as the commit record is written: it leaves out the flush to disk, here and on the floor alike.
ASSIGNED_AT = """
SELECT booking_id AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at
FROM booking_history WHERE booking_id = ANY($1) AND sequence = 2
"""
RECORDED_AT = """
SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM floor_steps WHERE id = ANY($1)
"""
COUNT_RECORDED = "SELECT count(*) FROM floor_steps WHERE id = ANY($1)"


async def prepare(home: Path) -> str:
    """Make the cluster with commit timestamps and a database for the floor, and stop it again; the floor's URL.

    Raises:
        DevError: PostgreSQL does not start.
    """
    postgres = EmbeddedPostgres(home)
    await postgres.start()
    try:
        await _execute(
            postgres.url_for("postgres", role=SUPERUSER), "ALTER SYSTEM SET track_commit_timestamp = on"
        )
        await _execute(postgres.url, f"CREATE DATABASE {FLOOR_DATABASE}")
        floor_url = postgres.url_for(FLOOR_DATABASE)
        await _execute(floor_url, "CREATE EXTENSION IF NOT EXISTS btree_gist")
    finally:
        await postgres.stop()
    return floor_url


async def make_floor_table(floor_url: str) -> None:
    """The one table that the floor's workflows write to."""
    await _execute(floor_url, "CREATE TABLE floor_steps (id uuid PRIMARY KEY)")


def administrator_url(url: str) -> str:
    """The same server, as its superuser, beside every database."""
    return make_url(url).set(username=SUPERUSER, database="postgres").render_as_string(hide_password=False)


@asynccontextmanager
async def isolated_stack(floor_url: str) -> AsyncIterator[str]:
    """One more database, without a schema as yet, which is dropped in the end; its URL."""
    drop = f"DROP DATABASE IF EXISTS {ANNEX_DATABASE} WITH (FORCE)"
    await _execute(floor_url, drop)
    await _execute(floor_url, f"CREATE DATABASE {ANNEX_DATABASE}")
    try:
        url = make_url(floor_url).set(database=ANNEX_DATABASE).render_as_string(hide_password=False)
        await _execute(url, "CREATE EXTENSION IF NOT EXISTS btree_gist")
        yield url
    finally:
        await _execute(floor_url, drop)


async def checkpoint(url: str) -> None:
    """Have what was written go to disk now, and not while something is measured."""
    await _execute(administrator_url(url), "CHECKPOINT")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
