"""The floor runs Holdfast's statements: these fail when a statement asks for something that the floor has not."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from starlette.requests import Request

from bench.floor.api import _rendered, _values
from bench.floor.statements import FREE, INSERT, OFFERING, Statement

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


@pytest.mark.parametrize("statement", [FREE, INSERT])
def test_the_floor_has_every_parameter(statement: Statement, request_: Request) -> None:
    starts_at = datetime(2030, 1, 1, 9, tzinfo=UTC)
    asked: dict[str, object] = {
        "provider_id": str(uuid4()),
        "starts_at": starts_at.isoformat(),
        "address": {},
        "notes": None,
    }
    values = _values(request_, asked, _OFFERING)
    assert _rendered(values)["status"] == "pending"
    assert len(statement.arguments(values | {"response": "{}"})) == len(set(statement.names))


def test_the_first_statement_asks_for_what_the_request_names() -> None:
    assert set(OFFERING.names) == {"business", "service", "user_id"}
