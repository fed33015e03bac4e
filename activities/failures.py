"""Expected failures as Temporal knows them: mapped once, here."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import asyncpg
from temporalio.exceptions import ApplicationError

from domain.errors import HoldfastError

REFUSED_BY_DATABASE = "refused_by_database"

P = ParamSpec("P")
R = TypeVar("R")


def as_application_errors(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Turn what a retry cannot mend into a failure that is not retried; anything else is retried.

    That is a `HoldfastError`, whose code becomes the failure's type, and data that PostgreSQL refuses. Retried,
    such data would be refused for ever, and nobody would notice. A workflow that has failed is found and flagged.
    """

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except HoldfastError as error:
            raise ApplicationError(error.detail, error.extra, type=error.code, non_retryable=True) from error
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            # Without its message, which may quote people's data.
            message = f"{error.sqlstate} {error.constraint_name or type(error).__name__}"
            raise ApplicationError(message, type=REFUSED_BY_DATABASE, non_retryable=True) from None

    return wrapper
