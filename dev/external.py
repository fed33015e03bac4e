"""Servers of the user's own: checked, never started or stopped."""

from collections.abc import Mapping

import asyncpg

from dev.errors import DevError
from dev.temporal_client import connect


async def require_postgres(url: str, variable: str) -> None:
    """Check that the database answers; `variable` is where its URL comes from.

    Raises:
        DevError: it does not; the URL is not shown, for it may hold a password.
    """
    try:
        connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=10)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DevError(f"PostgreSQL does not answer at {variable}: {_text(error)}") from error
    await connection.close()


async def require_temporal(environment: Mapping[str, str]) -> None:
    """Check that the Temporal server answers.

    Raises:
        DevError: it does not.
    """
    try:
        await connect(environment)
    except (RuntimeError, ValueError) as error:
        address = environment["TEMPORAL_ADDRESS"]
        raise DevError(f"Temporal does not answer at TEMPORAL_ADDRESS={address}: {_text(error)}") from error


def _text(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
