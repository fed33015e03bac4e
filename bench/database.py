"""Direct access to the databases: preparation, and the times of commits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from dev.postgres import EmbeddedPostgres
from dev.postgres_data import SUPERUSER

BASELINE_DATABASE = "bench_baseline"
ISOLATED_DATABASE = "bench_isolated"

BUSY = """
SELECT EXISTS (SELECT 1 FROM bookings WHERE version = 1)
    OR EXISTS (
        SELECT 1 FROM bookings b WHERE b.created_at > now() - interval '2 minutes'
        AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.business_id = b.business_id AND m.booking_id = b.id))
"""
"""Whether a booking waits for its first step or a message is not written yet."""

# History rows and steps are inserted once and never updated, so xmin is the transaction that inserted them.
# PostgreSQL takes the timestamp when it writes the commit record: the flush to disk is excluded on both sides.
ASSIGNED_AT = """
SELECT booking_id AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at
FROM booking_history WHERE booking_id = ANY($1) AND sequence = 2
"""
STEPS_AT = """
SELECT booking_id AS id, sequence, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at
FROM booking_history WHERE booking_id = ANY($1) AND sequence = ANY($2)
"""
RECORDED_AT = """
SELECT id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM baseline_steps WHERE id = ANY($1)
"""
COUNT_RECORDED = "SELECT count(*) FROM baseline_steps WHERE id = ANY($1)"


async def prepare(home: Path) -> str:
    """Create the cluster with commit timestamps and the baseline's database; returns the baseline's URL.

    Raises:
        DevError: PostgreSQL does not start.
    """
    postgres = EmbeddedPostgres(home)
    await postgres.start()
    try:
        await _execute(
            postgres.url_for("postgres", role=SUPERUSER), "ALTER SYSTEM SET track_commit_timestamp = on"
        )
        await _execute(postgres.url, f"CREATE DATABASE {BASELINE_DATABASE}")
        baseline_url = postgres.url_for(BASELINE_DATABASE)
        await _execute(baseline_url, "CREATE EXTENSION IF NOT EXISTS btree_gist")
    finally:
        await postgres.stop()
    return baseline_url


async def make_baseline_table(baseline_url: str) -> None:
    """Create the table that the baseline's workflows write to."""
    await _execute(baseline_url, "CREATE TABLE baseline_steps (id uuid PRIMARY KEY)")


def administrator_url(url: str) -> str:
    """The URL of the same server for its superuser, in the database `postgres`."""
    return make_url(url).set(username=SUPERUSER, database="postgres").render_as_string(hide_password=False)


@asynccontextmanager
async def temporary_database(baseline_url: str) -> AsyncIterator[str]:
    """Yield the URL of a new database without a schema; it is dropped on exit."""
    drop = f"DROP DATABASE IF EXISTS {ISOLATED_DATABASE} WITH (FORCE)"
    await _execute(baseline_url, drop)
    await _execute(baseline_url, f"CREATE DATABASE {ISOLATED_DATABASE}")
    try:
        url = make_url(baseline_url).set(database=ISOLATED_DATABASE).render_as_string(hide_password=False)
        await _execute(url, "CREATE EXTENSION IF NOT EXISTS btree_gist")
        yield url
    finally:
        await _execute(baseline_url, drop)


async def checkpoint(url: str) -> None:
    """Write all changes to disk now, and not during the next measurement."""
    await _execute(administrator_url(url), "CHECKPOINT")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
