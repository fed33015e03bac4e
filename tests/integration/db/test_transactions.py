"""A connection in an unknown state is closed: what is answered as committed is stored.

The server of these tests is real, and so is its silence: the backend behind a connection is stopped (SIGSTOP)
while a transaction begins, runs or commits.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.engine import autocommit, create_engine, is_outage
from db.repositories.rows import execute, row, rows
from db.transactions import NotCommittedError
from dev.postgres import EmbeddedPostgres
from runtime.ids import new_id
from runtime.settings import Settings

_TABLES = (
    text("CREATE SCHEMA IF NOT EXISTS probes"),
    text("CREATE TABLE IF NOT EXISTS probes.written_notes (note text PRIMARY KEY)"),
)
_INSERT = text("INSERT INTO probes.written_notes (note) VALUES (:note)")
_STORED = text("SELECT note FROM probes.written_notes WHERE note = ANY(:notes)")
_BACKEND = text("SELECT pg_backend_pid() AS pid")
_SILENCE_SECONDS = 0.2


@pytest.fixture
async def narrow(postgres: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    """A pool of one connection, whose statements are given up after half a second."""
    settings = Settings(
        database_url=postgres.url, database_pool_max=1, database_pool_min=1, database_command_timeout_seconds=0.5
    )
    engine = create_engine(settings, application_name="narrow")
    async with autocommit(engine) as conn:
        for statement in _TABLES:
            await conn.execute(statement)
    yield engine
    await engine.dispose()


async def write(engine: AsyncEngine) -> str:
    """Write a row in a transaction; its name once that is answered as committed."""
    note = str(new_id())
    async with engine.begin() as conn:
        await execute(conn, _INSERT, {"note": note})
    return note


async def write_built(engine: AsyncEngine) -> str:
    """The same by SQLAlchemy's own way of executing."""
    note = str(new_id())
    async with engine.begin() as conn:
        await conn.execute(_INSERT, {"note": note})
    return note


async def write_alone(engine: AsyncEngine) -> str:
    """The same as a statement that commits by itself."""
    note = str(new_id())
    async with autocommit(engine) as conn:
        await execute(conn, _INSERT, {"note": note})
    return note


async def stored(engine: AsyncEngine, notes: list[str]) -> set[str]:
    """Which of these rows anybody else can see."""
    async with autocommit(engine) as conn:
        return {found["note"] for found in await rows(conn, _STORED, {"notes": notes})}


async def backend_of(engine: AsyncEngine) -> int:
    async with autocommit(engine) as conn:
        return int((await row(conn, _BACKEND))["pid"])


async def by_cancelling(work: Awaitable[Any]) -> None:
    """Give up as a request does whose time is over."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(_SILENCE_SECONDS):
            await work


async def by_waiting(work: Awaitable[Any]) -> None:
    """Give up when the driver does."""
    with pytest.raises(TimeoutError):
        await work


@pytest.mark.parametrize("give_up", [by_cancelling, by_waiting])
@pytest.mark.parametrize("interrupted", [write, write_built, write_alone])
async def test_what_is_answered_after_an_interrupted_write_is_stored(
    engine: AsyncEngine,
    narrow: AsyncEngine,
    give_up: Callable[[Awaitable[Any]], Awaitable[None]],
    interrupted: Callable[[AsyncEngine], Awaitable[str]],
) -> None:
    pid = await backend_of(narrow)
    os.kill(pid, signal.SIGSTOP)
    try:
        await give_up(interrupted(narrow))
    finally:
        os.kill(pid, signal.SIGCONT)
    answered = [await write(narrow), await write_built(narrow), await write_alone(narrow)]
    await narrow.dispose()
    assert await stored(engine, answered) == set(answered)


@pytest.mark.parametrize("give_up", [by_cancelling, by_waiting])
async def test_a_commit_that_is_not_answered_is_an_error_and_never_half(
    engine: AsyncEngine, narrow: AsyncEngine, give_up: Callable[[Awaitable[Any]], Awaitable[None]]
) -> None:
    notes = [str(new_id()), str(new_id())]
    pid = await backend_of(narrow)

    async def write_both() -> None:
        async with narrow.begin() as conn:
            for note in notes:
                await execute(conn, _INSERT, {"note": note})
            os.kill(pid, signal.SIGSTOP)

    try:
        await give_up(write_both())
    finally:
        os.kill(pid, signal.SIGCONT)
    after = await write(narrow)
    assert len(await stored(engine, notes)) in (0, 2)
    assert await stored(engine, [after]) == {after}


async def test_a_transaction_that_a_failed_statement_has_ended_is_not_committed(narrow: AsyncEngine) -> None:
    async def fail_within() -> None:
        async with narrow.begin() as conn:
            with suppress(asyncpg.PostgresError):
                await rows(conn, text("SELECT 1/0"))

    with pytest.raises(NotCommittedError):
        await fail_within()
    assert await write(narrow)


async def test_a_connection_that_comes_back_in_a_transaction_is_closed_and_counted(
    engine: AsyncEngine, narrow: AsyncEngine
) -> None:
    before = _discarded("returned_in_transaction")
    async with autocommit(narrow) as conn:
        await rows(conn, text("BEGIN"))
    answered = await write(narrow)
    assert _discarded("returned_in_transaction") == before + 1
    assert await stored(engine, [answered]) == {answered}


async def test_the_server_ends_what_idles_in_a_transaction_and_what_runs_too_long(narrow: AsyncEngine) -> None:
    names = ("idle_in_transaction_session_timeout", "statement_timeout", "client_connection_check_interval")
    async with autocommit(narrow) as conn:
        for name in names:
            assert int(
                (await row(conn, text(f"SELECT setting FROM pg_settings WHERE name = '{name}'")))["setting"]
            )


@pytest.mark.parametrize("ends", ["commit", "rollback"])
async def test_a_session_that_the_server_ended_between_two_statements_is_an_outage(
    engine: AsyncEngine, narrow: AsyncEngine, ends: str
) -> None:
    async def lose_the_session() -> None:
        async with narrow.begin() as conn:
            await _end_session(engine, conn)
            if ends == "rollback":
                await rows(conn, text("SELECT 1"))

    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is, is the question
        await lose_the_session()
    assert is_outage(caught.value)
    assert await write(narrow)


async def _end_session(engine: AsyncEngine, conn: AsyncConnection) -> None:
    pid = (await row(conn, _BACKEND))["pid"]
    async with autocommit(engine) as other:
        await rows(other, text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def test_an_answer_that_breaks_off_is_an_outage() -> None:
    assert is_outage(asyncpg.InternalClientError("got result for unknown protocol state"))


def _discarded(reason: str) -> float:
    name = "holdfast_database_connections_discarded_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0
