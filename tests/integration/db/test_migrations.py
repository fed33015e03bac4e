"""The migrations make the schema that the models describe, and take it away again."""

import asyncio
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from db.__main__ import main as db
from dev.postgres import EmbeddedPostgres

SUPERUSER = "postgres"


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """The URL of a database with nothing in it but the extension that only a superuser may add."""
    name = "migrated"
    await _as_superuser(postgres, "postgres", f"CREATE DATABASE {name} OWNER holdfast")
    await _as_superuser(postgres, name, "CREATE EXTENSION btree_gist")
    yield postgres.url_for(name)
    await _as_superuser(postgres, "postgres", f"DROP DATABASE {name} WITH (FORCE)")


async def _as_superuser(server: EmbeddedPostgres, database: str, statement: str) -> None:
    connection = await asyncpg.connect(server.url_for(database, role=SUPERUSER))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return {row["tablename"] for row in found} - {"alembic_version"}


async def _db(*argv: str, url: str) -> int:
    return await asyncio.to_thread(db, [*argv, "--database-url", url])


async def test_up_down_and_up_again_ends_where_the_models_are(empty_database: str) -> None:
    assert await _db("upgrade", url=empty_database) == 0
    assert {"bookings", "reservations", "booking_history", "events"} <= await _tables(empty_database)
    assert await _db("check", url=empty_database) == 0
    assert await _db("upgrade", url=empty_database) == 0
    assert await _db("downgrade", "base", url=empty_database) == 0
    assert await _tables(empty_database) == set()
    assert await _db("upgrade", url=empty_database) == 0
    assert await _db("check", url=empty_database) == 0


# Nobody's, for no booking: a superuser may leave foreign keys unchecked.
_MESSAGES = """
SET session_replication_role = replica;
INSERT INTO messages (id, business_id, booking_id, key, kind, audience, channel, state, body, vendor_ref)
    SELECT gen_random_uuid(), id, id, key, 'confirmed', 'customer', 'email', state, body, vendor_ref
    FROM gen_random_uuid() AS id, (VALUES
        ('1', 'sent', 'words', 'r'), ('2', 'delivered', 'words', 'r'), ('3', 'opened', NULL, 'r'),
        ('4', 'bounced', 'words', 'r'), ('5', 'failed', 'words', 'r'), ('6', 'failed', 'words', NULL),
        ('7', 'queued', NULL, NULL), ('8', 'suppressed', NULL, NULL)
    ) AS messages(key, state, body, vendor_ref)
"""


async def test_the_way_down_keeps_every_message_that_was_sent(
    empty_database: str, postgres: EmbeddedPostgres
) -> None:
    await _db("upgrade", url=empty_database)
    await _as_superuser(postgres, "migrated", _MESSAGES)
    assert await _db("downgrade", "0003", url=empty_database) == 0
    connection = await asyncpg.connect(empty_database)
    try:
        kept = await connection.fetch("SELECT key, state, body FROM messages ORDER BY key")
    finally:
        await connection.close()
    words = {row["key"]: row["body"] for row in kept}
    assert words == {"1": "words", "2": "words", "3": "", "4": "words", "5": "words"}
    assert {row["state"] for row in kept} == {"sent"}


async def test_the_check_finds_a_difference(
    empty_database: str, postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    await _db("upgrade", url=empty_database)
    await _as_superuser(postgres, "migrated", "ALTER TABLE bookings ADD COLUMN surplus integer")
    assert await _db("check", url=empty_database) == 1
    assert "surplus" in capsys.readouterr().err


async def test_two_processes_that_migrate_at_once_do_not_trip_over_each_other(empty_database: str) -> None:
    argv = ("-m", "db", "upgrade", "--database-url", empty_database)
    racers = [await asyncio.create_subprocess_exec(sys.executable, *argv) for _ in range(2)]
    assert await asyncio.gather(*(racer.wait() for racer in racers)) == [0, 0]
    assert await _db("check", url=empty_database) == 0


async def test_a_database_that_is_not_there_is_one_line_and_exit_code_1(
    postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await _db("upgrade", url=postgres.url_for("missing")) == 1
    said = capsys.readouterr().err
    assert said.startswith("db upgrade failed: ")
    assert "Traceback" not in said
