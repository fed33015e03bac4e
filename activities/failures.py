"""The boundary between expected failures and Temporal: mapped once, here."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from temporalio.exceptions import ApplicationError

from domain.errors import HoldfastError

P = ParamSpec("P")
R = TypeVar("R")


def as_application_errors(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Turn a `HoldfastError` into a failure of type `code` that is not retried; let anything else be retried."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except HoldfastError as error:
            raise ApplicationError(error.detail, error.extra, type=error.code, non_retryable=True) from error

    return wrapper
