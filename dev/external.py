"""The user's own servers: the stack checks them but never starts or stops them."""

from collections.abc import Mapping

import asyncpg

from dev.errors import DevError
from dev.temporal import connect


async def require_postgres(url: str, variable: str) -> None:
    """Check that the database answers; `variable` is the environment variable of its URL.

    Raises:
        DevError: it does not answer; the message omits the URL because it may contain a password.
    """
    try:
        connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=10)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DevError(f"PostgreSQL does not answer at {variable}: {_text(error)}") from error
    await connection.close()


async def require_temporal(environment: Mapping[str, str]) -> None:
    """Check that the Temporal server answers.

    Raises:
        DevError: it does not answer.
    """
    try:
        await connect(environment)
    except (RuntimeError, ValueError) as error:
        address = environment["TEMPORAL_ADDRESS"]
        raise DevError(f"Temporal does not answer at TEMPORAL_ADDRESS={address}: {_text(error)}") from error


def _text(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
