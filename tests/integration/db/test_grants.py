"""The application's database role has exactly the privileges in `db.grants`."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from db import grants
from db.__main__ import main as db
from db.models import Base
from dev.postgres import APP_ROLE, EmbeddedPostgres
from runtime.settings import Settings
from runtime.settings import settings as process_settings

REFUSED = (
    "UPDATE audit_log SET outcome = 'done'",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
    "SELECT 1 FROM audit_log FOR UPDATE",
    "ALTER TABLE audit_log DISABLE TRIGGER ALL",
    "UPDATE booking_history SET reason = ''",
    "DELETE FROM events",
    "UPDATE api_keys SET scopes = '{}'",
    "DELETE FROM bookings",
    "SELECT * FROM alembic_version",
    "CREATE TABLE mine (n int)",
    "CREATE TEMPORARY TABLE mine (n int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1",
    "ALTER TABLE bookings ADD COLUMN mine int",
    "DROP TABLE rate_counters",
    "CREATE INDEX ON audit_log (at)",
    "CREATE ROLE mine",
    "SET ROLE holdfast",
    "COPY users TO PROGRAM 'true'",
)

GIVEN = """
SELECT c.relname AS table, a.privilege_type AS privilege, NULL AS "column"
FROM pg_class c, aclexplode(c.relacl) a
WHERE a.grantee = CAST($1 AS regrole) AND c.relnamespace = CAST('public' AS regnamespace)
UNION ALL
SELECT c.relname, a.privilege_type, t.attname
FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
WHERE a.grantee = CAST($1 AS regrole)
"""


@pytest.fixture
async def app(postgres: EmbeddedPostgres, settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.app_url)
    yield connection
    await connection.close()


@pytest.fixture
def no_settings_kept() -> Iterator[None]:
    """Settings are read once in a process: the next test is to read them anew."""
    process_settings.cache_clear()
    yield
    process_settings.cache_clear()


async def _as_owner(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _refusal(connection: asyncpg.Connection, statement: str) -> str:
    try:
        await connection.execute(statement)
    except asyncpg.PostgresError as error:
        return type(error).__name__
    return "none"


def _written_out(privileges: str) -> set[tuple[str, str | None]]:
    found = re.findall(r"([A-Z]+)(?: \(([^)]*)\))?", privileges)
    return {(privilege, column or None) for privilege, columns in found for column in columns.split(", ")}


def test_every_table_is_listed() -> None:
    assert set(grants.ON_TABLES) == {*Base.metadata.tables, "alembic_version"}


async def test_the_application_has_exactly_what_is_listed(app: asyncpg.Connection) -> None:
    listed = {**grants.ON_TABLES, **grants.ON_SEQUENCES}
    given: dict[str, set[tuple[str, str | None]]] = {name: set() for name in listed}
    for row in await app.fetch(GIVEN, APP_ROLE):
        given[row["table"]].add((row["privilege"], row["column"]))
    assert given == {name: _written_out(privileges) for name, privileges in listed.items()}
    owned = "SELECT count(*) FROM pg_class WHERE pg_has_role(CAST($1 AS text), relowner, 'MEMBER')"
    assert await app.fetchval(owned, APP_ROLE) == 0


async def test_the_application_changes_neither_the_past_nor_the_schema(app: asyncpg.Connection) -> None:
    outcomes = {statement: await _refusal(app, statement) for statement in REFUSED}
    assert set(outcomes.values()) == {"InsufficientPrivilegeError"}, outcomes


async def test_a_right_that_was_given_by_hand_is_gone_after_the_next_upgrade(
    app: asyncpg.Connection, postgres: EmbeddedPostgres, capfd: pytest.CaptureFixture[str]
) -> None:
    await _as_owner(postgres, f"GRANT ALL ON audit_log TO {APP_ROLE}")
    await app.execute("DELETE FROM audit_log WHERE false")
    assert await asyncio.to_thread(db, ["upgrade", "--database-url", postgres.url]) == 0
    assert "warning" not in capfd.readouterr().err
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("DELETE FROM audit_log WHERE false")
    await app.execute("SELECT 1 FROM audit_log WHERE false")


@pytest.mark.parametrize("role", ["nobody_of_this_name", "holdfast", "postgres", ""])
async def test_an_installation_with_one_role_goes_on_and_is_told_what_it_lacks(
    role: str,
    postgres: EmbeddedPostgres,
    settings: Settings,
    no_settings_kept: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOLDFAST_DATABASE_APP_ROLE", role)
    assert await asyncio.to_thread(db, ["upgrade", "--database-url", postgres.url]) == 0
    said = [line for line in capfd.readouterr().err.splitlines() if "warning" in line]
    assert len(said) == 1
    assert "no database role of its own" in said[0]
    await _as_owner(postgres, "DELETE FROM audit_log WHERE false")


async def test_migrations_run_as_the_owner_where_the_settings_name_one(
    postgres: EmbeddedPostgres,
    settings: Settings,
    no_settings_kept: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", postgres.app_url)
    assert await asyncio.to_thread(db, ["upgrade"]) == 1
    assert "permission denied" in capfd.readouterr().err
    process_settings.cache_clear()
    monkeypatch.setenv("HOLDFAST_MIGRATIONS_DATABASE_URL", postgres.url)
    assert await asyncio.to_thread(db, ["upgrade"]) == 0
    assert "warning" not in capfd.readouterr().err
