"""Failures of activities: permanent ones are not retried, and none quotes personal data."""

import asyncpg
import pytest
from temporalio.exceptions import ApplicationError

from activities.failures import REFUSED_BY_DATABASE, as_application_errors
from domain.errors import NotFoundError


async def _failure_of(error: Exception) -> BaseException:
    @as_application_errors
    async def activity() -> None:
        raise error

    with pytest.raises(type(error) if not _is_mapped(error) else ApplicationError) as raised:
        await activity()
    return raised.value


def _is_mapped(error: Exception) -> bool:
    return isinstance(error, NotFoundError | asyncpg.IntegrityConstraintViolationError | asyncpg.DataError)


async def test_an_expected_failure_carries_its_code_and_is_final() -> None:
    failure = await _failure_of(NotFoundError("There is no booking 7.", hint="x"))
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.non_retryable, failure.details) == ("not_found", True, ({"hint": "x"},))


@pytest.mark.parametrize("kind", [asyncpg.CheckViolationError, asyncpg.StringDataRightTruncationError])
async def test_data_that_the_database_refuses_fails_for_good_without_quoting_it(
    kind: type[asyncpg.PostgresError],
) -> None:
    failure = await _failure_of(kind("Failing row contains (casey@example.com)"))
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.non_retryable) == (REFUSED_BY_DATABASE, True)
    assert "casey" not in str(failure)
    assert failure.__cause__ is None


@pytest.mark.parametrize(
    "error", [asyncpg.DeadlockDetectedError("deadlock"), ConnectionRefusedError(), TimeoutError()]
)
async def test_what_passes_by_itself_is_left_to_be_retried(error: Exception) -> None:
    assert await _failure_of(error) is error
