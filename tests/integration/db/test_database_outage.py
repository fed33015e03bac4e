"""An unavailable database is distinguished from a wrong statement, on a server that really stops."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import autocommit, create_engine, is_outage, ping, warm
from db.repositories.rows import rows
from dev.postgres import EmbeddedPostgres
from runtime.settings import Settings


@pytest.fixture
async def own_server(servers_home: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL of this test's own, to be stopped."""
    home = servers_home / "stopped"
    home.mkdir(exist_ok=True)
    server = EmbeddedPostgres(home)
    await server.start()
    yield server
    await server.stop()


async def error_of(engine: AsyncEngine, statement: str = "SELECT 1") -> Exception:
    """What the statement fails with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is the question
        async with autocommit(engine) as conn:
            await conn.execute(text(statement))
    return caught.value


async def test_a_server_that_stops_is_an_outage_until_it_is_back(own_server: EmbeddedPostgres) -> None:
    settings = Settings(database_url=own_server.url, database_pool_min=2)
    engine = create_engine(settings, application_name="tests")
    await warm(engine, 2)
    under_way = asyncio.create_task(error_of(engine, "SELECT pg_sleep(60)"))
    await _until_asleep(engine)
    await own_server.stop()
    assert is_outage(await under_way)
    assert is_outage(await error_of(engine))
    assert is_outage(await error_of(engine))
    await own_server.start()
    await ping(engine)
    await engine.dispose()


async def _until_asleep(engine: AsyncEngine) -> None:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")
    async with autocommit(engine) as conn:
        while (await conn.execute(query)).scalar_one() == 0:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://holdfast@127.0.0.1:1/holdfast",
        "postgresql://holdfast@/holdfast?host=/nonexistent",
        "postgresql://holdfast@host.invalid/holdfast",
    ],
)
async def test_a_server_that_is_nowhere_is_an_outage(url: str) -> None:
    engine = create_engine(Settings(database_url=url), application_name="tests")
    assert is_outage(await error_of(engine))
    await warm(engine, 2)
    await engine.dispose()


async def test_a_pool_that_is_exhausted_is_an_outage(settings: Settings) -> None:
    small = settings.model_copy(update={"database_pool_max": 1})
    engine = create_engine(small, application_name="tests")
    engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    async with engine.connect():
        assert is_outage(await error_of(engine))
    await engine.dispose()


@pytest.mark.parametrize(
    "statement", ["SELECT 1/0", "SELECT * FROM nowhere", "SELEC", "INSERT INTO users DEFAULT VALUES"]
)
async def test_a_statement_that_is_wrong_is_none(engine: AsyncEngine, statement: str) -> None:
    error = await error_of(engine, statement)
    assert isinstance(error, DBAPIError)
    assert not is_outage(error)


@pytest.mark.parametrize(
    "state", ["53100", "53200", "53300", "58030", "57P01", "57014", "25P03", "08006", "40P01"]
)
async def test_a_server_that_has_no_room_or_ends_what_takes_too_long_is_an_outage(
    engine: AsyncEngine, state: str
) -> None:
    raised = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
    assert is_outage(await error_of(engine, raised))
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with autocommit(engine) as conn:
            await rows(conn, text(raised))
    assert is_outage(caught.value)


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RuntimeError("x")])
def test_an_error_of_our_own_is_none(error: Exception) -> None:
    assert not is_outage(error)


async def test_a_failed_statement_does_not_tell_what_it_was_about(engine: AsyncEngine) -> None:
    """Its parameters are people's data, and the error goes into the log as it is."""
    with pytest.raises(DBAPIError) as caught:
        async with engine.begin() as conn:
            await conn.execute(text("SELECT CAST(:notes AS text), 1/0"), {"notes": "canary-8c1f"})
    assert "canary-8c1f" not in str(caught.value)
