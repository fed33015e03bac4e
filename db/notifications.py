"""PostgreSQL's notifications: a connection of its own that hears of a channel, for as long as it can."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy.engine import make_url

_CONNECT_TIMEOUT: Final = 3.0
_ALIVE_EVERY: Final = 5.0
"""A server that was stopped closes nothing: the connection is asked whether it still answers."""


class Listener:
    """What was heard on a channel and not taken yet. Payloads that are told twice are kept once."""

    def __init__(self) -> None:
        self._heard: set[str] = set()
        self._something = asyncio.Event()
        self._lost = False

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone: nothing more will be heard."""
        return self._lost

    async def take(self, patience: float) -> set[str]:
        """The payloads since the last call. Waits `patience` seconds for one, unless the connection is lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._something.wait()
        if not self._lost:
            self._something.clear()
        heard, self._heard = self._heard, set()
        return heard

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        self._heard.add(str(payload))
        self._something.set()

    def _end(self, _connection: Any = None) -> None:
        self._lost = True
        self._something.set()


@asynccontextmanager
async def listening(url: str, channel: str, *, application_name: str) -> AsyncIterator[Listener]:
    """Listen to a channel on a connection of its own.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError: the database cannot be reached.
    """
    listener = Listener()
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(
        dsn,
        timeout=_CONNECT_TIMEOUT,
        command_timeout=_CONNECT_TIMEOUT,
        server_settings={"application_name": application_name},
    )
    connection.add_termination_listener(listener._end)
    await connection.add_listener(channel, listener._hear)
    watch = asyncio.create_task(_watch(connection, listener))
    try:
        yield listener
    finally:
        watch.cancel()
        connection.terminate()


async def _watch(connection: Any, listener: Listener) -> None:
    try:
        while not listener.is_lost:
            await asyncio.sleep(_ALIVE_EVERY)
            await connection.execute("SELECT 1")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        listener._end()
