"""The workflow calls activities by name: names and shapes of both sides must agree."""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from temporalio import activity

from domain.names import LIST_DUE_SOURCES, LIST_TO_RECONCILE
from runtime.settings import Settings
from worker.booking_worker import booking_activities
from workflows import local_activities


def wrappers() -> dict[str, Callable[..., Any]]:
    """Every activity that `workflows.local_activities` offers."""
    return {
        name: function
        for name, function in inspect.getmembers(local_activities, inspect.iscoroutinefunction)
        if function.__module__ == local_activities.__name__ and not name.startswith("_")
    }


@pytest.fixture(scope="module")
def unconnected() -> AsyncEngine:
    """An engine that never connects: the registry only hands it on."""
    return create_async_engine("postgresql+asyncpg://nowhere/nothing")


@pytest.fixture(scope="module")
def registered(unconnected: AsyncEngine) -> dict[str, Callable[..., Any]]:
    """Each registered activity by name."""
    found = {}
    for function in booking_activities(unconnected, Settings()):
        name = activity._Definition.must_from_callable(function).name
        assert name is not None
        assert name not in found
        if name in (LIST_DUE_SOURCES, LIST_TO_RECONCILE):  # of the rounds, which call them themselves
            continue
        found[name] = function
    return found


def test_every_wrapper_calls_an_activity_that_is_registered_and_none_is_left_over(
    registered: dict[str, Callable[..., Any]],
) -> None:
    assert set(wrappers()) == set(registered)


@pytest.mark.parametrize("name", wrappers())
def test_a_wrapper_takes_and_returns_what_its_activity_does(
    name: str, registered: dict[str, Callable[..., Any]]
) -> None:
    assert _shape(wrappers()[name]) == _shape(registered[name])


def _shape(function: Callable[..., Any]) -> tuple[list[Any], Any]:
    hints = get_type_hints(function)
    parameters = [name for name in inspect.signature(function).parameters if name != "self"]
    return [hints[name] for name in parameters], hints["return"]
