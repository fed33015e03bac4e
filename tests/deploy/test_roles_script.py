"""deploy/postgres/10-roles.sh, run against a server."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from db.__main__ import main as db
from dev.postgres import EmbeddedPostgres
from dev.postgres_binaries import binary
from dev.postgres_data import SUPERUSER
from runtime.settings import settings as process_settings
from tests.support.repository_files import read

OWNER, APP, TEMPORAL = "shipped", "shipped_app", "shipped_temporal"


@pytest.fixture
async def shipped(postgres: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    """The tests' server, after the script, whose names are changed: it has roles of those names already."""
    script = re.sub(r"\bholdfast", "shipped", read("deploy/postgres/10-roles.sh"))
    script = re.sub(r"\bROLE temporal\b", f"ROLE {TEMPORAL}", script)
    await _run(script, postgres)
    yield postgres
    drop = f"DROP DATABASE {OWNER} WITH (FORCE)", f"DROP ROLE {OWNER}, {APP}, {TEMPORAL}"
    await _execute(postgres.url_for("postgres", role=SUPERUSER), *drop)


async def _run(script: str, server: EmbeddedPostgres) -> None:
    query = parse_qs(urlsplit(server.url).query)
    environment = os.environ | {
        "PATH": f"{binary('psql').parent}:{os.environ['PATH']}",
        "PGHOST": query["host"][0],
        "PGPORT": query["port"][0],
        "POSTGRES_USER": SUPERUSER,
        "HOLDFAST_OWNER_PASSWORD": "the owner's",
        "HOLDFAST_DB_PASSWORD": "the application's",
        "TEMPORAL_DB_PASSWORD": "Temporal's",
    }
    shell = await asyncio.create_subprocess_exec("sh", "-c", script, env=environment)
    assert await shell.wait() == 0


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_migrations_run_as_the_owner_and_the_application_only_writes_rows(
    shipped: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, app = shipped.url_for(OWNER, role=OWNER), shipped.url_for(OWNER, role=APP)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _execute(shipped.url_for(OWNER, role=TEMPORAL), "SELECT 1")
    monkeypatch.setenv("HOLDFAST_DATABASE_APP_ROLE", APP)
    process_settings.cache_clear()
    try:
        assert await asyncio.to_thread(db, ["upgrade", "--database-url", owner]) == 0
    finally:
        process_settings.cache_clear()
    await _execute(app, "SELECT 1 FROM audit_log")
    for statement in ("DELETE FROM audit_log", "CREATE TABLE mine (n int)", "CREATE TEMPORARY TABLE mine (n int)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _execute(app, statement)
