"""The connection pool, and how an outage of the database is told from a wrong statement."""

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
"""Longer than any client waits."""
_CLIENT_CHECK = "2s"
_UNREACHABLE = (OSError, TimeoutError, DBAPIError, asyncpg.PostgresError, asyncpg.InternalClientError)


def async_url(url: str) -> str:
    """The URL for the asyncpg driver; accepts `postgres://` and `postgresql://`."""
    return (
        make_url(url.replace("postgres://", "postgresql://", 1))
        .set(drivername="postgresql+asyncpg")
        .render_as_string(hide_password=False)
    )


def create_engine(settings: Settings, *, application_name: str) -> AsyncEngine:
    """An engine with a pool of up to `database_pool_max` connections, opened on demand.

    Connections are not pinged before use: the driver notices when the server closes one, and one that breaks
    during a request leads to a 503 (or a retry).
    """
    engine = create_async_engine(
        async_url(settings.database_url),
        pool_size=settings.database_pool_max,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_use_lifo=True,
        pool_recycle=1800,
        isolation_level="AUTOCOMMIT",  # `db.transactions` sends BEGIN and COMMIT
        hide_parameters=True,  # they are personal data, and errors are logged
        json_serializer=to_json_text,
        json_deserializer=json.loads,
        connect_args={
            "timeout": _CONNECT_TIMEOUT_SECONDS,
            "command_timeout": settings.database_command_timeout_seconds,
            # Plans are simple and short: compiling them costs more than it saves.
            "server_settings": {
                "application_name": application_name,
                "jit": "off",
                # Every statement is a few index look-ups, whatever its parameters: planning each time would cost
                # the calendar queries twice their execution time.
                "plan_cache_mode": "force_generic_plan",
                "timezone": "UTC",
                # Limits how long a killed, frozen or disconnected client's transaction holds locks.
                "idle_in_transaction_session_timeout": _IDLE_IN_TRANSACTION,
                "statement_timeout": _STATEMENT,
                "client_connection_check_interval": _CLIENT_CHECK,
            },
        },
    )
    transactions.attach(engine)
    return engine


def unpooled_engine(url: str) -> AsyncEngine:
    """An engine for tools and tests that opens a connection per use."""
    engine = create_async_engine(async_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    transactions.attach(engine)
    return engine


async def warm(engine: AsyncEngine, connections: int) -> None:
    """Open `connections` before the first requests. A database that is down is not an error here."""

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
    """A connection on which each statement is its own transaction, without BEGIN and COMMIT round trips."""
    async with engine.connect() as conn:
        yield await conn.execution_options(**{transactions.EACH_STATEMENT_COMMITS: True})


def is_outage(error: BaseException) -> bool:
    """Whether the error means that the database is unavailable, rather than that a statement is wrong."""
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        unexplained = isinstance(error, InterfaceError | OperationalError) and not _sqlstate(error.orig)
        return unexplained or _is_outage_state(error.orig)
    if isinstance(error, asyncpg.InternalClientError):
        return True  # the connection broke during an answer
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error)  # the others mean wrong use of the driver
    if isinstance(error, asyncpg.PostgresError):
        return _is_outage_state(error)
    return isinstance(error, PoolTimeoutError | OSError | asyncio.TimeoutError)


def _is_outage_state(error: BaseException | None) -> bool:
    # 57P0x: shutting down or starting up; 08xxx: the connection broke; 53xxx: no connection slot, memory or disk
    # space left; 58xxx: disk failure; 40xxx: rolled back because of a conflict such as a deadlock, and retryable;
    # 25P03 and 57014: the server ended what took too long.
    return _sqlstate(error).startswith(("57P", "08", "53", "58", "40", "25P03", "57014"))


def _sqlstate(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", "") or "")


async def ping(engine: AsyncEngine) -> None:
    """Check that the database answers.

    Raises:
        Exception: the driver's error, if it does not.
    """
    async with autocommit(engine) as conn:
        await conn.execute(text("SELECT 1"))
