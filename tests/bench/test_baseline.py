"""The baseline runs Holdfast's SQL: these tests fail when a statement has a parameter that the baseline lacks."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from starlette.requests import Request

from bench.baseline.api import CALENDAR, INSERT, OFFERING, Statement, _is_free, _rendered, _values

STARTS_AT = datetime(2030, 1, 1, 9, tzinfo=UTC)
_OFFERING = {
    "business_id": uuid4(),
    "service_id": uuid4(),
    "customer_id": uuid4(),
    "required_skills": [],
    "timezone": "UTC",
    "price_minor": 1,
    "currency": "USD",
    "policy": "{}",
    "duration_minutes": 30,
    "buffer_before_minutes": 0,
    "buffer_after_minutes": 15,
}


@pytest.fixture
def request_() -> Request:
    headers = [(b"x-customer", str(uuid4()).encode()), (b"idempotency-key", b"k")]
    return Request({"type": "http", "headers": headers})


@pytest.fixture
def values(request_: Request) -> dict[str, Any]:
    parameters: dict[str, object] = {
        "provider_id": str(uuid4()),
        "starts_at": STARTS_AT.isoformat(),
        "address": {},
        "notes": None,
    }
    return _values(request_, parameters, _OFFERING)


@pytest.mark.parametrize("statement", [CALENDAR, INSERT])
def test_the_baseline_has_every_parameter(statement: Statement, values: dict[str, Any]) -> None:
    assert _rendered(values)["status"] == "pending"
    assert len(statement.arguments(values | {"response": "{}"})) == len(set(statement.names))


def test_the_baseline_finds_overlapping_reservations(values: dict[str, Any]) -> None:
    taken_from, taken_until = values["taken_from"].timestamp(), values["taken_until"].timestamp()
    row = {"provider_id": uuid4(), "from_": [taken_from - 60], "until": [taken_from]}
    assert _is_free(row, values)
    assert not _is_free(row | {"until": [taken_from + 1]}, values)
    assert not _is_free(row | {"from_": [taken_until - 1], "until": [taken_until]}, values)
    assert _is_free(row | {"from_": None, "until": None}, values)
    assert not _is_free(row | {"provider_id": None}, values)


def test_the_first_statement_needs_only_what_the_request_contains() -> None:
    assert set(OFFERING.names) == {"business", "service", "user_id"}
