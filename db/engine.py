"""The connection pool, and how a database that is away is told from a statement that is wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from runtime.json import to_json_text
from runtime.settings import Settings

_log = structlog.get_logger()

_CONNECT_TIMEOUT_SECONDS = 3
_COMMAND_TIMEOUT_SECONDS = 5
_POOL_WAIT_SECONDS = 5


def async_url(url: str) -> str:
    """The same URL for the asyncpg driver; `postgres://` and `postgresql://` are both understood."""
    return (
        make_url(url.replace("postgres://", "postgresql://", 1))
        .set(drivername="postgresql+asyncpg")
        .render_as_string(hide_password=False)
    )


def create_engine(settings: Settings, *, application_name: str) -> AsyncEngine:
    """An engine with a pool of up to `database_pool_max` connections, opened as they are needed.

    There is no ping before use: a request that meets a dead connection answers 503 (or is retried by the
    engine), and SQLAlchemy drops every connection that is older than the failure.
    """
    return create_async_engine(
        async_url(settings.database_url),
        pool_size=settings.database_pool_max,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_use_lifo=True,
        pool_recycle=1800,
        hide_parameters=True,  # they are people's data, and errors end up in logs
        json_serializer=to_json_text,
        json_deserializer=json.loads,
        connect_args={
            "timeout": _CONNECT_TIMEOUT_SECONDS,
            "command_timeout": _COMMAND_TIMEOUT_SECONDS,
            # Plans here are simple and short: compiling them costs more than it saves.
            "server_settings": {"application_name": application_name, "jit": "off", "timezone": "UTC"},
        },
    )


async def warm(engine: AsyncEngine, connections: int) -> None:
    """Open `connections` ahead of the first requests; a database that is away is not an error here."""

    async def hold_one(barrier: asyncio.Barrier) -> None:
        async with engine.connect() as conn:
            await conn.execute(text("SELECT 1"))
            await barrier.wait()

    barrier = asyncio.Barrier(connections)
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS), asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(hold_one(barrier))
    except* (OSError, TimeoutError, DBAPIError) as group_error:
        _log.info("database_not_warmed", reason=str(group_error.exceptions[0]).splitlines()[0])


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection on which each statement is its own transaction: no BEGIN and COMMIT round trips."""
    async with engine.connect() as conn:
        yield await conn.execution_options(isolation_level="AUTOCOMMIT")


def is_outage(error: BaseException) -> bool:
    """Whether the error says that the database cannot be reached, rather than that a statement is wrong."""
    if isinstance(error, DBAPIError):
        # 57P0x: shutting down or starting up; 53300: no connection slot left.
        sqlstate = str(getattr(error.orig, "sqlstate", "") or "")
        if error.connection_invalidated or sqlstate.startswith(("57P", "08")) or sqlstate == "53300":
            return True
        return isinstance(error, InterfaceError | OperationalError) and not sqlstate
    return isinstance(error, PoolTimeoutError | OSError | asyncio.TimeoutError)


async def ping(engine: AsyncEngine) -> None:
    """Ask the database for a sign of life.

    Raises:
        Exception: whatever the driver says when there is none.
    """
    async with autocommit(engine) as conn:
        await conn.execute(text("SELECT 1"))
