"""Transaction control, and closing connections whose state is unknown.

After a cancelled task, a timeout or a broken connection it is unknown what the server did. Such a connection is
closed at once and never reused: its next user's work could be reported as committed and be lost.

SQLAlchemy decides when a transaction begins and ends; this module sends the commands. The driver's adapter would
send them with its own first statement, which would leave out statements sent directly to the driver.
"""

from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
import structlog
from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.metrics import CONNECTIONS_DISCARDED

_log = structlog.get_logger()

EACH_STATEMENT_COMMITS = "each_statement_commits"
"""The execution option of a connection without transactions."""


class NotCommittedError(Exception):
    """A statement in the transaction had failed, so the server rolled it back instead of committing."""


def attach(engine: AsyncEngine) -> None:
    """Let this module send BEGIN, COMMIT and ROLLBACK for the engine, and check its connections.

    The engine's isolation level must be AUTOCOMMIT, so that the driver's adapter sends no commands of its own.
    """
    for name, listener in _LISTENERS.items():
        event.listen(engine.sync_engine, name, listener)


def discard(conn: Connection, error: BaseException) -> None:
    """Close the connection and remove it from the pool, without waiting for the server."""
    if conn.closed or conn.invalidated:
        return
    driver = conn.connection.driver_connection
    assert driver is not None
    driver.terminate()
    conn.invalidate(error)
    _count("interrupted", error)


def is_answer(error: BaseException) -> bool:
    """Whether the error is the server's answer, so that the connection's state is known."""
    return isinstance(error, asyncpg.PostgresError)


def _begin(conn: Connection) -> None:
    if not conn.get_execution_options().get(EACH_STATEMENT_COMMITS):
        _send(conn, "BEGIN")


def _commit(conn: Connection) -> None:
    if not conn.get_execution_options().get(EACH_STATEMENT_COMMITS):
        ended = _send(conn, "COMMIT")
        if ended != "COMMIT":
            raise NotCommittedError


def _rollback(conn: Connection) -> None:
    """Roll back, or close the connection, which has the same effect and masks no other error."""
    if conn.invalidated or conn.get_execution_options().get(EACH_STATEMENT_COMMITS):
        return
    try:
        _send(conn, "ROLLBACK")
    except Exception as error:
        discard(conn, error)


def _send(conn: Connection, command: str) -> str:
    try:
        status: str = conn.connection.run_async(lambda driver: driver.execute(command))
    except BaseException as error:
        if not is_answer(error):
            discard(conn, error)
        raise
    return status


def _note_error(context: ExceptionContext) -> None:
    """Let SQLAlchemy close a connection whose statement ended without the server's answer."""
    if getattr(context.original_exception, "sqlstate", None) is None:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


def _check_returned(connection: Any, _record: object) -> None:
    """Close a connection that is returned within a transaction, so that its locks are released."""
    if connection is not None and _is_in_transaction(connection.driver_connection):
        connection.driver_connection.terminate()
        _count("returned_in_transaction", None)


def _check_taken(connection: Any, _record: object, _proxy: object) -> None:
    """Let the pool replace a connection that is closed or in a transaction; checking needs no round trip."""
    driver = connection.driver_connection
    if driver.is_closed():
        raise DisconnectionError
    if driver.is_in_transaction():
        driver.terminate()
        _count("taken_in_transaction", None)
        raise DisconnectionError


def _is_in_transaction(driver: asyncpg.Connection) -> bool:
    return not driver.is_closed() and driver.is_in_transaction()


def _count(reason: str, error: BaseException | None) -> None:
    CONNECTIONS_DISCARDED.labels(reason).inc()
    _log.warning("database_connection_discarded", reason=reason, error=type(error).__name__ if error else None)


_LISTENERS: Mapping[str, Callable[..., None]] = {
    "begin": _begin,
    "commit": _commit,
    "rollback": _rollback,
    "handle_error": _note_error,
    "checkin": _check_returned,
    "checkout": _check_taken,
}
