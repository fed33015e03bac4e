"""The connection pool, and how a database that is away is told from a statement that is wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog
from sqlalchemy import NullPool, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from db import transactions
from runtime.json import to_json_text
from runtime.settings import Settings

_log = structlog.get_logger()

_CONNECT_TIMEOUT_SECONDS = 3
_POOL_WAIT_SECONDS = 5
_IDLE_IN_TRANSACTION = "10s"
_STATEMENT = "15s"
"""Longer than any client waits for an answer."""
_CLIENT_CHECK = "2s"
_UNREACHABLE = (OSError, TimeoutError, DBAPIError, asyncpg.PostgresError, asyncpg.InternalClientError)


def async_url(url: str) -> str:
    """The same URL for the asyncpg driver; `postgres://` and `postgresql://` are both understood."""
    return (
        make_url(url.replace("postgres://", "postgresql://", 1))
        .set(drivername="postgresql+asyncpg")
        .render_as_string(hide_password=False)
    )


def create_engine(settings: Settings, *, application_name: str) -> AsyncEngine:
    """An engine with a pool of up to `database_pool_max` connections, opened as they are needed.

    There is no ping before use: the driver notices when the server closes a connection, and what breaks in the
    middle of a request is a 503 (or is retried by the engine).
    """
    engine = create_async_engine(
        async_url(settings.database_url),
        pool_size=settings.database_pool_max,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_use_lifo=True,
        pool_recycle=1800,
        isolation_level="AUTOCOMMIT",  # `db.transactions` sends BEGIN and COMMIT
        hide_parameters=True,  # they are people's data, and errors end up in logs
        json_serializer=to_json_text,
        json_deserializer=json.loads,
        connect_args={
            "timeout": _CONNECT_TIMEOUT_SECONDS,
            "command_timeout": settings.database_command_timeout_seconds,
            # Plans here are simple and short: compiling them costs more than it saves.
            "server_settings": {
                "application_name": application_name,
                "jit": "off",
                # Every statement is a few index look-ups, whatever its parameters: planning them anew each time
                # would cost the calendar's twice what running it does.
                "plan_cache_mode": "force_generic_plan",
                "timezone": "UTC",
                # What a client leaves behind when it is killed, frozen or cut off holds locks no longer than this.
                "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION,
                "statement_timeout": _STATEMENT,
                "client_connection_check_interval": _CLIENT_CHECK,
            },
        },
    )
    transactions.attach(engine)
    return engine


def unpooled_engine(url: str) -> AsyncEngine:
    """An engine for tools and tests that opens a connection for each use."""
    engine = create_async_engine(async_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    transactions.attach(engine)
    return engine


async def warm(engine: AsyncEngine, connections: int) -> None:
    """Open `connections` ahead of the first requests; a database that is away is not an error here."""

    async def hold_one(barrier: asyncio.Barrier) -> None:
        async with autocommit(engine) as conn:
            await conn.execute(text("SELECT 1"))
            await barrier.wait()

    barrier = asyncio.Barrier(connections)
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(hold_one(barrier))
    except* _UNREACHABLE as group_error:
        error = group_error.exceptions[0]  # some errors have no text
        _log.info("database_not_warmed", reason=f"{type(error).__name__}: {error}".splitlines()[0])


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement is its own transaction: no BEGIN and COMMIT round trips."""
    async with engine.connect() as conn:
        yield await conn.execution_options(**{transactions.EACH_STATEMENT_COMMITS: True})


def is_outage(error: BaseException) -> bool:
    """Whether the error says that the database cannot be reached, rather than that a statement is wrong."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        unexplained = isinstance(error, InterfaceError | OperationalError) and not _sqlstate(error.orig)
        return unexplained or _is_outage_state(error.orig)
    if isinstance(error, asyncpg.InternalClientError):
        return True  # the connection broke in the middle of an answer
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error)  # the rest of them are mistakes in using the driver
    if isinstance(error, asyncpg.PostgresError):
        return _is_outage_state(error)
    return isinstance(error, PoolTimeoutError | OSError | asyncio.TimeoutError)


def _is_outage_state(error: BaseException | None) -> bool:
    # 57P0x: shutting down or starting up; 08xxx: the connection broke; 53xxx: no connection slot, no memory or no
    # room on the disk left; 58xxx: the disk fails; 40xxx: rolled back for another's sake (a deadlock), and worth
    # asking again; 25P03 and 57014: the server ended what took too long.
    return _sqlstate(error).startswith(("57P", "08", "53", "58", "40", "25P03", "57014"))


def _sqlstate(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", "") or "")


async def ping(engine: AsyncEngine) -> None:
    """Ask the database for a sign of life.

    Raises:
        Exception: whatever the driver says when there is none.
    """
    async with autocommit(engine) as conn:
        await conn.execute(text("SELECT 1"))
